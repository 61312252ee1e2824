"""The release on a real cluster: installed, harmed, rolled back, and installed anew."""

import json
import os
from pathlib import Path

import httpx
import pytest
from tests.cluster.release import NAMESPACE, Release, kubectl, run, until

from sluice_cluster.install import Trial
from sluice_cluster.settings import ClusterSettings

pytestmark = pytest.mark.timeout(2_400)


def health() -> int:
    places = Trial.of(ClusterSettings()).places()
    return httpx.get(f"{places.api}/healthz", timeout=30).status_code


def test_the_api_answers_behind_its_service(release: Release) -> None:
    assert release.is_whole()
    assert health() == 200


def test_a_campaign_completes_while_pods_are_deleted_and_the_release_is_upgraded(release: Release) -> None:
    release.sluice("demo")


def test_a_campaign_completes_while_the_node_is_drained_and_gateways_are_scaled(release: Release) -> None:
    release.sluice("demo", "--deeds", "drain", "scale", "--mqtt-devices", "0")


def test_a_release_is_rolled_back_to_what_it_was(release: Release) -> None:
    before = kubectl("get", "configmap", "sluice-api", "-o", "jsonpath={.data}")
    values = Path(os.environ.get("SLUICE_CLUSTER_STATE_DIR", ".sluice/cluster")) / "values.json"
    changed = json.loads(values.read_text()) | {"settings": {"replication_factor": 1, "log_level": "DEBUG"}}
    helm = ("helm", "--namespace", NAMESPACE)
    chart = ("sluice", "deploy/helm/sluice", "--reset-values", "--values", "-", "--wait", "--timeout", "600s")
    run(*helm, "upgrade", *chart, given=json.dumps(changed), deadline=700)
    assert kubectl("get", "configmap", "sluice-api", "-o", "jsonpath={.data}") != before
    run(*helm, "rollback", "sluice", "--wait", "--timeout", "600s", deadline=700)
    assert kubectl("get", "configmap", "sluice-api", "-o", "jsonpath={.data}") == before
    until(release.is_whole)
    assert health() == 200


def test_it_is_installed_from_nothing_a_second_time(release: Release) -> None:
    release.sluice("uninstall")
    release.sluice("install")
    assert release.is_whole()
    assert health() == 200

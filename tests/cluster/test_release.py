"""The release on a real cluster: installed, harmed, rolled back, and installed anew."""

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cluster.release import NAMESPACE, Release, kubectl, run, until

from sluice_cluster.install import Trial
from sluice_cluster.settings import ClusterSettings

HELM = ("helm", "--namespace", NAMESPACE)
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


def values_of_the_release() -> dict[str, Any]:
    file = Path(os.environ.get("SLUICE_CLUSTER_STATE_DIR", ".sluice/cluster")) / "values.json"
    return dict(json.loads(file.read_text()))


def upgrade_to(values: dict[str, Any]) -> None:
    chart = ("sluice", "deploy/helm/sluice", "--reset-values", "--values", "-", "--wait", "--timeout", "600s")
    run(*HELM, "upgrade", *chart, given=json.dumps(values), deadline=700)


def test_a_release_is_rolled_back_to_what_it_was(release: Release) -> None:
    before = kubectl("get", "configmap", "sluice-api", "-o", "jsonpath={.data}")
    upgrade_to(values_of_the_release() | {"settings": {"replication_factor": 1, "log_level": "DEBUG"}})
    assert kubectl("get", "configmap", "sluice-api", "-o", "jsonpath={.data}") != before
    run(*HELM, "rollback", "sluice", "--wait", "--timeout", "600s", deadline=700)
    assert kubectl("get", "configmap", "sluice-api", "-o", "jsonpath={.data}") == before
    until(release.is_whole)
    assert health() == 200


@contextmanager
def many_requests() -> Iterator[None]:
    """Ask the API as often as it answers, over new connections, so that every pod has its share."""
    url, ended = f"{Trial.of(ClusterSettings()).places().api}/api/v1/openapi.json", threading.Event()

    def ask() -> None:
        while not ended.is_set():
            with suppress(httpx.TransportError):
                httpx.get(url, timeout=30)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            yield
        finally:
            ended.set()
            wait(asking)


def test_the_api_is_scaled_by_its_processor_time(release: Release) -> None:
    values = values_of_the_release()
    values["services"]["api"]["autoscaling"] = {"enabled": True, "minReplicas": 1, "maxReplicas": 3, "cpu": 60}
    values["services"]["api"]["resources"] = {"requests": {"cpu": "50m", "memory": "96Mi"}}
    upgrade_to(values)
    until(lambda: len(release.pods("api")) == 1)
    with many_requests():
        until(lambda: len(release.pods("api")) == 3 and release.is_whole(), deadline=300.0)
    assert health() == 200
    shown = kubectl("describe", "horizontalpodautoscaler", "sluice-api")
    assert "SuccessfulRescale" in shown
    run(*HELM, "rollback", "sluice", "--wait", "--timeout", "600s", deadline=700)
    until(release.is_whole)


def test_it_is_installed_from_nothing_a_second_time(release: Release) -> None:
    release.sluice("uninstall")
    release.sluice("install")
    assert release.is_whole()
    assert health() == 200

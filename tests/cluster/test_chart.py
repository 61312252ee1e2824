"""What the chart makes of each value set, as the API server takes it, keeps the rules of docs/kubernetes.md."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.release import CHART, objects, run

VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
NO_FOREIGN = ("--set", "monitoring.serviceMonitor.enabled=false,monitoring.prometheusRule.enabled=false")
"""A cluster without the Prometheus operator does not know its objects."""
_NOT_OURS = (
    "container-image-pull-policy",  # a release's tag is never made anew
    "deployment-has-host-podantiaffinity",  # pods are spread by topologySpreadConstraints
    "statefulset-has-host-podantiaffinity",  # as above
    "deployment-replicas",  # one signing service is enough
    "service-type",  # a set of values uses node ports
)
"""Rules of kube-score that the chart breaks on purpose (docs/kubernetes.md)."""
_WORKLOADS = ("Deployment", "StatefulSet", "Job")
_SECRETS = {
    f"SLUICE_{name}"
    for name in (
        *(
            "MONGODB_URI",
            "ACCESS_TOKEN_KEYS",
            "IMAGE_TOKEN_KEYS",
            "DOWNLOAD_TOKEN_KEYS",
            "SEALING_KEYS",
            "ADMIN_PASSWORD",
            "BOOTSTRAP_APP_SECRET",
        ),
        *("MQTT_PASSWORD", "MQTT_HOOK_SECRET"),
    )
}


@pytest.fixture(scope="module", params=VALUE_SETS, ids=lambda path: path.stem)
def made(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return objects(request.param, *NO_FOREIGN)


def of_kind(made: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [found for found in made if found["kind"] in kinds]


def containers(made: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for workload in of_kind(made, *_WORKLOADS):
        yield from workload["spec"]["template"]["spec"]["containers"]


def test_no_pod_asks_for_rights(made: list[dict[str, Any]]) -> None:
    for workload in of_kind(made, *_WORKLOADS):
        pod = workload["spec"]["template"]["spec"]["securityContext"]
        assert pod["runAsNonRoot"]
        assert pod["runAsUser"] == 10001
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(made):
        asked = container["securityContext"]
        assert asked["readOnlyRootFilesystem"]
        assert not asked["allowPrivilegeEscalation"]
        assert asked["capabilities"] == {"drop": ["ALL"]}


def test_no_pod_has_a_token_for_the_api_server(made: list[dict[str, Any]]) -> None:
    assert not any(w["spec"]["template"]["spec"]["automountServiceAccountToken"] for w in of_kind(made, *_WORKLOADS))


def test_every_container_says_what_it_needs_and_how_much_memory_it_may_have(made: list[dict[str, Any]]) -> None:
    for container in containers(made):
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["requests"].keys()
        assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}


def test_every_service_is_probed_spread_and_evicted_one_at_a_time(made: list[dict[str, Any]]) -> None:
    budgets = {b["metadata"]["name"]: b["spec"] for b in of_kind(made, "PodDisruptionBudget")}
    for workload in of_kind(made, "Deployment", "StatefulSet"):
        pod = workload["spec"]["template"]["spec"]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= pod["containers"][0].keys()
        assert pod["topologySpreadConstraints"]
        assert pod["terminationGracePeriodSeconds"] > 25
        budget = budgets[workload["metadata"]["name"]]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == workload["spec"]["selector"]


def test_no_secret_is_given_but_by_reference(made: list[dict[str, Any]]) -> None:
    assert not of_kind(made, "Secret")
    plain = {name for found in of_kind(made, "ConfigMap") for name in found.get("data", {})}
    plain |= {v["name"] for c in containers(made) for v in c.get("env", ()) if "value" in v}
    assert "SLUICE_KAFKA_BOOTSTRAP" in plain
    assert not plain & _SECRETS


def test_each_process_gets_its_own_secrets_and_no_other(made: list[dict[str, Any]]) -> None:
    has = {
        container["name"]: {v["name"] for v in container.get("env", ()) if "secretKeyRef" in v.get("valueFrom", {})}
        for container in containers(made)
    }
    assert has["scheduler-devices"] == has["scheduler-cells"] == set()
    assert has["relay"] == has["projector"] == has["signing"] == {"SLUICE_MONGODB_URI"}
    assert has["lwm2m-gateway"] == {"SLUICE_MONGODB_URI", "SLUICE_IMAGE_TOKEN_KEYS"}
    assert "SLUICE_ACCESS_TOKEN_KEYS" in has["api"]
    assert sum("SLUICE_ACCESS_TOKEN_KEYS" in names for names in has.values()) == 1


def test_every_selector_names_the_release(made: list[dict[str, Any]]) -> None:
    for found in of_kind(made, "Service"):
        assert found["spec"]["selector"]["app.kubernetes.io/instance"] == "trial"
    for found in of_kind(made, "NetworkPolicy"):
        assert found["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "trial"


def test_devices_keep_their_addresses(made: list[dict[str, Any]]) -> None:
    (service,) = (f for f in of_kind(made, "Service") if f["metadata"]["name"].endswith("-lwm2m-gateway"))
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert {port["protocol"] for port in service["spec"]["ports"]} == {"UDP"}


@pytest.mark.skipif(shutil.which("kube-score") is None, reason="there is no kube-score on the path")
@pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)
def test_kube_score_finds_nothing_but_what_is_meant_so(values: Path) -> None:
    rendered = run("helm", "template", "trial", str(CHART), "--kube-version", "1.34.0", "--values", str(values))
    ignored = [part for rule in _NOT_OURS for part in ("--ignore-test", rule)]
    run("kube-score", "score", "-", "--ignore-container-cpu-limit", "--exit-one-on-warning", *ignored, given=rendered)

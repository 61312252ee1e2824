"""What is done to a release, and what is awaited after it; at a cluster of objects in memory."""

from typing import Any

import pytest
from rich.console import Console

from sluice_cluster import harm as module
from sluice_cluster.adapters.kubernetes import ClusterError
from sluice_cluster.domain.trial import SERVICES
from sluice_cluster.harm import Harm, ready


def pod(name: str, uid: str = "1", *, is_ready: bool = True, ending: bool = False) -> dict[str, Any]:
    owner = {"kind": "StatefulSet", "name": name.rpartition("-")[0]}
    metadata: dict[str, Any] = {"name": name, "uid": f"{name} {uid}", "ownerReferences": [owner]}
    if ending:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-1"},
        "status": {"conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}]},
    }


class FakeCluster:
    """Two pods of each service; one that is deleted is replaced at once, unless nothing is to recover."""

    def __init__(self, *, recovers: bool = True) -> None:
        self.recovers = recovers
        self.pods = {service: [pod(f"{service}-{n}") for n in range(2)] for service in SERVICES}
        self.asked: list[tuple[str, ...]] = []

    def get(self, _kind: str, _selector: str, label: str) -> list[dict[str, Any]]:
        return list(self.pods[label.partition("=")[2]])

    def kubectl(self, *arguments: str) -> str:
        self.asked.append(arguments)
        if arguments[0] == "delete":
            name = arguments[2]
            service = name.rpartition("-")[0]
            left = [found for found in self.pods[service] if found["metadata"]["name"] != name]
            self.pods[service] = [*left, *([pod(name, f"after {len(self.asked)}")] if self.recovers else [])]
        elif arguments[0] == "drain":
            raise ClusterError("the budgets hold the rest")
        elif arguments[0] == "scale":
            self.pods[arguments[2]] = [pod(f"{arguments[2]}-{n}") for n in range(int(arguments[3].partition("=")[2]))]
        return ""

    def deleted(self) -> list[str]:
        return [arguments[2] for arguments in self.asked if arguments[0] == "delete"]


@pytest.fixture(autouse=True)
def _looks_without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL", 0.0)


def harm(cluster: FakeCluster, upgrades: list[int], *, recovery: float = 10.0, **options: Any) -> Harm:
    def upgrade() -> None:
        upgrades.append(len(cluster.deleted()))

    return Harm(cluster, upgrade, Console(quiet=True), pause=0.0, recovery=recovery, **options)  # type: ignore[arg-type] # a fake


async def test_pods_are_deleted_before_and_after_the_upgrade() -> None:
    cluster, upgrades = FakeCluster(), list[int]()
    await harm(cluster, upgrades).run()
    assert upgrades == [1]
    assert len(cluster.deleted()) == 5


async def test_the_seed_decides_which_pods_are_deleted() -> None:
    first, second, other = FakeCluster(), FakeCluster(), FakeCluster()
    for one, seed in ((first, 1), (second, 1), (other, 2)):
        await harm(one, [], seed=seed).run()
    assert first.deleted() == second.deleted() != other.deleted()


async def test_a_pod_that_does_not_come_back_is_no_success() -> None:
    with pytest.raises(TimeoutError):
        await harm(FakeCluster(recovers=False), [], recovery=0.05).run(["delete"])


async def test_a_drained_node_is_given_back_also_when_budgets_hold_the_last_pods() -> None:
    cluster = FakeCluster()
    await harm(cluster, []).run(["drain"])
    assert [arguments[:2] for arguments in cluster.asked] == [("drain", "node-1"), ("uncordon", "node-1")]


async def test_gateways_are_scaled_up_and_down_and_are_as_many_as_before_in_the_end() -> None:
    cluster = FakeCluster()
    await harm(cluster, []).run(["scale"])
    assert [arguments[3] for arguments in cluster.asked] == [f"--replicas={n}" for n in (1, 3, 1, 2)]


def test_a_pod_that_is_told_to_end_serves_no_more() -> None:
    pods = [pod("a"), pod("b", is_ready=False), pod("c", ending=True)]
    assert ready(pods) == ["a"]

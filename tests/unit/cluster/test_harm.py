"""Which pods are deleted, when the release is upgraded, and what is awaited; at a cluster of objects in memory."""

import asyncio
from typing import Any

import pytest
from rich.console import Console

from sluice_cluster import harm as module
from sluice_cluster.domain.trial import SERVICES
from sluice_cluster.harm import Harm, ready


def pod(name: str, *, is_ready: bool = True, ending: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "ownerReferences": [{"kind": "ReplicaSet"}]}
    if ending:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "status": {"conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}]},
    }


class FakeCluster:
    """Two pods of each service; one that is deleted is replaced at once, unless nothing is to recover."""

    def __init__(self, *, recovers: bool = True) -> None:
        self.recovers = recovers
        self.pods = {service: [f"{service}-a", f"{service}-b"] for service in SERVICES}
        self.deleted: list[str] = []

    def get(self, _kind: str, _selector: str, label: str) -> list[dict[str, Any]]:
        return [pod(name) for name in self.pods[label.partition("=")[2]]]

    def kubectl(self, *arguments: str) -> str:
        name = arguments[2]
        self.deleted.append(name)
        service = name.rpartition("-")[0]
        self.pods[service].remove(name)
        if self.recovers:
            self.pods[service].append(f"{service}-{len(self.deleted)}")
        return ""


@pytest.fixture(autouse=True)
def _looks_without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL", 0.0)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def harm(cluster: FakeCluster, upgrades: list[int], **options: Any) -> Harm:
    def upgrade() -> None:
        upgrades.append(len(cluster.deleted))

    return Harm(cluster, upgrade, Console(quiet=True), pause=0.0, **options)  # type: ignore[arg-type] # a fake


async def test_the_release_is_upgraded_when_half_of_the_pods_are_gone(cluster: FakeCluster) -> None:
    upgrades: list[int] = []
    await harm(cluster, upgrades, pods=6).run()
    assert upgrades == [3]
    assert len(cluster.deleted) == 6


async def test_the_seed_decides_which_pods_are_deleted() -> None:
    first, second, other = FakeCluster(), FakeCluster(), FakeCluster()
    for one, seed in ((first, 1), (second, 1), (other, 2)):
        await harm(one, [], seed=seed).run()
    assert first.deleted == second.deleted != other.deleted


async def test_what_does_not_recover_is_told(cluster: FakeCluster) -> None:
    cluster.recovers = False
    with pytest.raises(TimeoutError):
        await harm(cluster, [], recovery=0.05).run()


def test_a_pod_that_is_told_to_end_serves_no_more() -> None:
    pods = [pod("a"), pod("b", is_ready=False), pod("c", ending=True)]
    assert ready(pods) == ["a"]


async def test_the_upgrade_runs_in_a_thread_of_its_own(cluster: FakeCluster) -> None:
    loop = asyncio.get_running_loop()
    asked: list[bool] = []

    def upgrade() -> None:
        asked.append(asyncio.run_coroutine_threadsafe(asyncio.sleep(0, True), loop).result(5))  # noqa: FBT003

    await Harm(cluster, upgrade, Console(quiet=True), pods=2, pause=0.0).run()  # type: ignore[arg-type] # a fake
    assert asked == [True]

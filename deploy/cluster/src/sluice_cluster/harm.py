"""Harm to a release in mid-campaign: pods deleted, the release upgraded, the node drained, gateways scaled."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from sluice_cluster.adapters.kubernetes import Cluster, ClusterError
from sluice_cluster.domain.trial import SERVICES

USUAL = ("delete", "upgrade", "delete", "delete", "delete", "delete")
"""What `./sluice cluster demo` does; the upgrade comes early, so that all of it falls into the campaign."""
_COMPONENT = "app.kubernetes.io/component"
_GATEWAY = "lwm2m-gateway"
_POLL = 1.0
_DRAIN_SECONDS = 40
"""On a cluster of one node, budgets hold half of the pods for ever: nothing else can take the evicted ones in."""


class Harm:
    """Does deeds one after the other.

    Args:
        cluster: Where.
        upgrade: Upgrades the release, so that each pod is replaced.
        console: Is told of each deed.
        pause: Seconds between two deeds.
        seed: Decides which pods, and which of them get no time to end.
        recovery: Seconds in which what was harmed must be ready again.
    """

    def __init__(
        self,
        cluster: Cluster,
        upgrade: Callable[[], object],
        console: Console,
        *,
        pause: float = 8.0,
        seed: int = 1,
        recovery: float = 240.0,
    ) -> None:
        self._cluster = cluster
        self._upgrade = upgrade
        self._console = console
        self._pause = pause
        self._chance = random.Random(seed)  # noqa: S311 - chooses pods, protects nothing
        self._recovery = recovery
        self._begun = time.monotonic()
        self.deeds: dict[str, Callable[[], Awaitable[None]]] = {
            "delete": self._delete_one,
            "upgrade": self._upgrade_all,
            "drain": self._drain,
            "scale": self._scale,
        }

    async def run(self, deeds: Sequence[str] = USUAL) -> None:
        """Do them.

        Raises:
            ClusterError: The cluster refused one.
            TimeoutError: What was harmed was not ready again in time.
        """
        self._begun = time.monotonic()
        for deed in deeds:
            await asyncio.sleep(self._pause)
            await self.deeds[deed]()

    async def _delete_one(self) -> None:
        service = self._chance.choice(SERVICES)
        pods = await self._pods(service)
        pod = self._chance.choice(pods)["metadata"]
        how = self._chance.choice([["--grace-period=0", "--force"], []])
        await self._do("delete", "pod", str(pod["name"]), "--wait=false", *how)
        await self._until(service, lambda found: pod["uid"] not in uids(found) and len(ready(found)) >= len(pods))

    async def _upgrade_all(self) -> None:
        self._tell("helm upgrade: every pod is replaced")
        await asyncio.to_thread(self._upgrade)
        self._tell("helm upgrade: done")

    async def _drain(self) -> None:
        """Evict what the budgets let go, and let the node take it back."""
        before = {service: len(await self._pods(service)) for service in SERVICES}
        node = str((await self._pods(_GATEWAY))[0]["spec"]["nodeName"])
        how = ["--pod-selector", "app.kubernetes.io/name=sluice", "--delete-emptydir-data", "--ignore-daemonsets"]
        try:
            await self._do("drain", node, *how, f"--timeout={_DRAIN_SECONDS}s")
        except ClusterError:
            self._tell("the drain has ended; budgets kept the last pod of each service")
        finally:
            await self._do("uncordon", node)
        for service, number in before.items():
            await self._until(service, partial(_has_ready, number))

    async def _scale(self) -> None:
        """Have one gateway, three, one, and as many as before."""
        pods = await self._pods(_GATEWAY)
        name = str(pods[0]["metadata"]["ownerReferences"][0]["name"])
        for replicas in (1, 3, 1, len(pods)):
            await self._do("scale", "statefulset", name, f"--replicas={replicas}")
            await self._until(_GATEWAY, partial(_are_exactly, replicas))
            await asyncio.sleep(self._pause)

    async def _do(self, *arguments: str) -> None:
        self._tell(f"kubectl {' '.join(arguments)}")
        await asyncio.to_thread(self._cluster.kubectl, *arguments)

    async def _until(self, service: str, holds: Callable[[Sequence[dict[str, Any]]], bool]) -> None:
        async with asyncio.timeout(self._recovery):
            while not holds(await self._pods(service)):  # noqa: ASYNC110 - a cluster is looked at
                await asyncio.sleep(_POLL)

    async def _pods(self, service: str) -> Sequence[dict[str, Any]]:
        return await asyncio.to_thread(self._cluster.get, "pods", "--selector", f"{_COMPONENT}={service}")

    def _tell(self, text: str) -> None:
        at = time.monotonic() - self._begun
        self._console.print(f"[{at:6.1f} s] {text}", style="yellow", markup=False, highlight=False)


def _has_ready(number: int, pods: Sequence[dict[str, Any]]) -> bool:
    return len(ready(pods)) >= number


def _are_exactly(number: int, pods: Sequence[dict[str, Any]]) -> bool:
    return len(pods) == number == len(ready(pods))


def uids(pods: Sequence[dict[str, Any]]) -> set[str]:
    """Return what tells pods apart, also from successors of the same name."""
    return {str(pod["metadata"]["uid"]) for pod in pods}


def ready(pods: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of pods that serve and are not told to end."""
    return [
        str(pod["metadata"]["name"])
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
    ]

"""Harm to a release in mid-campaign: pods deleted at random, and the release upgraded."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from sluice_cluster.adapters.kubernetes import Cluster
from sluice_cluster.domain.trial import SERVICES

_COMPONENT = "app.kubernetes.io/component"
_POLL = 1.0


@dataclass(frozen=True)
class Deed:
    """What was done, for the transcript.

    Attributes:
        at: Seconds after the begin.
        text: In words.
    """

    at: float
    text: str


@dataclass
class Harm:
    """Deletes pods and upgrades, in an order that a seed decides.

    Attributes:
        cluster: Where.
        upgrade: Upgrades the release, so that each pod is replaced.
        console: Is told of each deed.
        pods: How many pods are deleted, half of them before the upgrade.
        pause: Seconds between two deeds.
        seed: Decides which pods, and which of them get no time to end.
        recovery: Seconds in which what was harmed must be ready again.
    """

    cluster: Cluster
    upgrade: Callable[[], object]
    console: Console
    pods: int = 6
    pause: float = 8.0
    seed: int = 1
    recovery: float = 180.0
    deeds: list[Deed] = field(default_factory=list)

    async def run(self) -> None:
        """Do all of it.

        Raises:
            ClusterError: The release could not be upgraded.
            TimeoutError: What was harmed was not ready again in time.
        """
        chance, begun = random.Random(self.seed), time.monotonic()  # noqa: S311 - chooses pods, protects nothing
        for number in range(self.pods):
            await asyncio.sleep(self.pause)
            if number == self.pods // 2:
                self._tell(begun, "helm upgrade: every pod is replaced")
                await asyncio.to_thread(self.upgrade)
                self._tell(begun, "helm upgrade: done")
                await asyncio.sleep(self.pause)
            await self._delete_one(chance, begun)

    async def _delete_one(self, chance: random.Random, begun: float) -> None:
        service = chance.choice(SERVICES)
        pods = await asyncio.to_thread(self._pods, service)
        pod = chance.choice([str(pod["metadata"]["name"]) for pod in pods])
        killed = chance.random() < 0.5  # noqa: PLR2004 - half of them
        how = ["--grace-period=0", "--force"] if killed else []
        self._tell(begun, f"kubectl delete pod {' '.join([pod, *how])}")
        await asyncio.to_thread(self.cluster.kubectl, "delete", "pod", pod, "--wait=false", *how)
        await self._until_ready(service, pod, len(pods))

    async def _until_ready(self, service: str, gone: str, replicas: int) -> None:
        async with asyncio.timeout(self.recovery):
            while True:
                await asyncio.sleep(_POLL)
                pods = await asyncio.to_thread(self._pods, service)
                if len(ready(pods)) >= replicas and (service_keeps_names(pods) or gone not in names(pods)):
                    return

    def _pods(self, service: str) -> Sequence[dict[str, Any]]:
        return self.cluster.get("pods", "--selector", f"{_COMPONENT}={service}")

    def _tell(self, begun: float, text: str) -> None:
        deed = Deed(time.monotonic() - begun, text)
        self.deeds.append(deed)
        self.console.print(f"[{deed.at:6.1f} s] {deed.text}", style="yellow", markup=False, highlight=False)


def names(pods: Sequence[dict[str, Any]]) -> set[str]:
    """Return the names of pods."""
    return {str(pod["metadata"]["name"]) for pod in pods}


def service_keeps_names(pods: Sequence[dict[str, Any]]) -> bool:
    """Return whether a pod's successor has its name, as in stateful sets."""
    owners = [owner["kind"] for pod in pods for owner in pod["metadata"].get("ownerReferences", ())]
    return "StatefulSet" in owners


def ready(pods: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of pods that serve and are not told to end."""
    return [
        str(pod["metadata"]["name"])
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
    ]

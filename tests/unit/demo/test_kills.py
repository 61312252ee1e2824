"""Who is killed while a campaign runs."""

import asyncio
from typing import Any

from rich.console import Console

from sluice_demo.kills import Kills
from sluice_embedded.adapters.state import ServiceState
from sluice_embedded.running import NotRunningError


class FakeStack:
    """A system of four processes of which one is never there when it is to be killed."""

    def __init__(self) -> None:
        self.killed: list[str] = []

    def services(self) -> list[ServiceState]:
        return [ServiceState(name) for name in ("kafka", "mongodb", "mqtt", "api-0", "api-1", "relay-0", "relay-1")]

    def kill(self, name: str) -> int:
        if name == "relay-1":
            raise NotRunningError(name)
        self.killed.append(name)
        return 1


async def killed_by(seed: int, number: int) -> list[str]:
    stack: Any = FakeStack()
    devices: Any = None
    kills = Kills(seed, Console(quiet=True), every=0.0)
    killing = asyncio.create_task(kills(stack, devices))
    async with asyncio.timeout(30.0):
        while len(kills.killed) < number:
            await asyncio.sleep(0)
    killing.cancel()
    assert kills.killed == stack.killed[: len(kills.killed)]
    return kills.killed[:number]


async def test_every_process_of_sluice_is_killed_before_one_is_killed_twice_and_no_part_is() -> None:
    killed = await killed_by(seed=1, number=6)
    assert set(killed[:3]) == set(killed[3:]) == {"api-0", "api-1", "relay-0"}


async def test_a_seed_names_the_order() -> None:
    assert await killed_by(seed=5, number=9) == await killed_by(seed=5, number=9)

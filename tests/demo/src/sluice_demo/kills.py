"""Kills one process of the system after the other while a campaign runs; the supervisor starts each again."""

import asyncio
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from rich.console import Console

from sluice_demo.devices import DeviceProcess
from sluice_embedded.domain.services import PARTS
from sluice_embedded.running import NotRunningError
from sluice_embedded.stack import Stack

EVERY: Final = 10.0
"""Seconds between two kills."""


class Kills:
    """SIGKILL for a process of Sluice's every ten seconds, for each once before one has its second.

    Args:
        seed: Decides the order.
        console: Is told.
        every: Seconds between two.

    Attributes:
        killed: Names of the processes that were killed, in order.
    """

    def __init__(self, seed: int, console: Console, every: float = EVERY) -> None:
        self.killed: list[str] = []
        self._chance = Random(seed)
        self._console = console
        self._every = every

    async def __call__(self, stack: Stack, _: DeviceProcess) -> None:
        """Kill until cancelled."""
        for name in self._victims([s.name for s in stack.services() if s.name not in PARTS]):
            await asyncio.sleep(self._every)
            try:
                await asyncio.to_thread(stack.kill, name)
            except (NotRunningError, ProcessLookupError):
                continue  # it is just being started again
            self.killed.append(name)
            self._console.print(f"SIGKILL: {name}", style="dim")

    def _victims(self, names: Sequence[str]) -> Iterator[str]:
        """Yield names for ever, all of them in ever new order."""
        while names:
            yield from self._chance.sample(names, len(names))

"""`bench windows`: what many waiters and large tasks cost.

Two figures that must not grow. A request to a window with 50,000 waiters costs at most 1.5 times what one to a window
with ten costs: processor time of the stage `cells` as a process on a real Kafka. A device of a task of 100,000 costs
at most 1.3 times what one of a task of 1,000 costs, in constant memory: `sluice_bench.expansion`.
"""

import argparse
import asyncio
import statistics
from contextlib import AsyncExitStack
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from rich.console import Console

from sluice_bench.expansion import measure_expansion
from sluice_common.bus import Producer
from sluice_common.messages import codec
from sluice_common.messages.base import now, utc
from sluice_common.messages.cell_requests import CellRequest, SlotAsk, SlotReturn
from sluice_common.messages.device_events import SlotGranted
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import CELL_REQUESTS, DEVICE_EVENTS
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

FEW, MANY = 10, 50_000
TARGET_RATIO: Final = 1.5
"""Most that a request to the crowded window may cost, in costs of one to the other."""
_STAGE: Final = "scheduler-cells"
_ROUNDS: Final = 5_000
"""Rounds of three requests that are measured at once: a return, a new ask, an ask anew."""
_REPEATS: Final = 7
_SLOWEST: Final = 120.0
"""Seconds until a batch of requests must have been served."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--port-base", type=int, default=19_100, help="lowest port of its system")
    parser.add_argument("--devices", type=int, default=100_000, help="devices of the large task")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure and return the figures."""
    waiters = _measure_waiters(options.port_base, console)
    expansion = measure_expansion(options.port_base, options.devices, console)
    return {"waiters": waiters, "expansion": expansion, "met": waiters["met"] and expansion["met"]}


def _measure_waiters(port_base: int, console: Console) -> dict[str, Any]:
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "windows", port_base=port_base)
    reset(settings)
    services = {"kafka", _STAGE}
    with Stack(settings, services=services, progress=lambda text: console.print(text, style="dim")) as stack:
        costs = asyncio.run(_costs(stack, console))
    ratio = costs[MANY] / costs[FEW]
    return {
        **{f"us_per_request_with_{waiters}_waiters": round(cost, 1) for waiters, cost in costs.items()},
        "ratio": round(ratio, 2),
        "target_ratio": TARGET_RATIO,
        "met": ratio <= TARGET_RATIO,
    }


async def _costs(stack: Stack, console: Console) -> dict[int, float]:
    """Return the median processor time of a request, µs, by number of waiters; measured in turn."""
    spent: dict[int, list[float]] = {FEW: [], MANY: []}
    async with AsyncExitStack() as opened:
        windows = {}
        for cell_id, waiters in enumerate(spent):
            console.print(f"Filling a window with {waiters} waiters.", style="dim")
            window = CrowdedWindow(stack.endpoints.kafka_bootstrap, cell_id)
            windows[waiters] = await opened.enter_async_context(started(window))
            await window.fill(waiters)
            await window.serve(_ROUNDS)  # warms up
        for _ in range(_REPEATS):
            for waiters, window in windows.items():
                before = stack.cpu_seconds()[_STAGE]
                requests = await window.serve(_ROUNDS)
                spent[waiters].append((stack.cpu_seconds()[_STAGE] - before) / requests * 1e6)
    for waiters, costs in spent.items():
        console.print(f"{waiters} waiters: {', '.join(f'{c:.0f}' for c in costs)} µs per request", style="dim")
    return {waiters: statistics.median(costs) for waiters, costs in spent.items()}


class CrowdedWindow:
    """One window of one slot, and what its devices send it; the number of waiters stays as it was filled."""

    def __init__(self, bootstrap: str, cell_id: int) -> None:
        self._producer = Producer(CommonSettings(kafka_bootstrap=bootstrap))
        self._consumer = AIOKafkaConsumer(
            DEVICE_EVENTS.name, bootstrap_servers=bootstrap, isolation_level="read_committed"
        )
        self._window = WindowKey(network="bench", cell_id=cell_id, coverage_class=CoverageClass.LEVEL_2)
        self._first = self._last = 0
        self._ask_no = 0

    async def start(self) -> None:
        """Connect; what its devices are sent from now on is read."""
        await self._producer.start()
        await self._consumer.start()
        await self._consumer.seek_to_end()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._producer.stop()

    async def fill(self, waiters: int) -> None:
        """Let the holder and this many waiters ask."""
        for _ in range(waiters + 1):
            await self._ask(self._last)
            self._last += 1
        await self._served(0)

    async def serve(self, rounds: int) -> int:
        """Send rounds of requests, wait until they are served, and return how many requests that were."""
        for _ in range(rounds):
            await self._send(SlotReturn, self._first)
            self._first += 1
            await self._ask(self._last)
            await self._ask((self._first + self._last) // 2)
            self._last += 1
        await self._served(self._first)
        return 3 * rounds

    async def _served(self, holder: int) -> None:
        """Wait for the grant of this holder: it is the last one given."""
        async with asyncio.timeout(_SLOWEST):
            while True:
                for records in (await self._consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        event = codec.DEVICE_EVENTS.decode(record.value)
                        if isinstance(event, SlotGranted) and event.grant.execution_id == self._name(holder):
                            return

    async def _ask(self, number: int) -> None:
        await self._send(SlotAsk, number, awake_until=utc(now().timestamp() + 1e5))

    async def _send(self, make: type[SlotAsk | SlotReturn], number: int, **fields: Any) -> None:
        self._ask_no += 1
        name = self._name(number)
        grant = Grant(execution_id=name, attempt=1, ask_no=self._ask_no)
        request: CellRequest = make(
            app_id="bench", occurred_at=now(), device_id=name, window=self._window, grant=grant, **fields
        )
        await self._producer.send(CELL_REQUESTS, self._window.cell_key, request)

    def _name(self, number: int) -> str:
        return f"{self._window.cell_id:012d}{number:012d}:{number:024d}"

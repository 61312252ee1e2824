"""The stage `devices`: events of devices in, what `decide` makes of them out (docs/upgrade.md).

Events are gathered and processed in batches, one at a time. Leaves out the rules, and what a batch does (`batches`).
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Collection

import structlog

from sluice_common.garbage import no_collection
from sluice_common.supervision import forever
from sluice_scheduler.application.devices.batches import BatchProcessor
from sluice_scheduler.application.devices.deadlines import Deadlines
from sluice_scheduler.application.devices.ports import Event, RecordStore

_log = structlog.get_logger()


class DevicesStage:
    """The stage on one worker.

    Args:
        batches: What is done with a batch.
        records: The devices' records.
        deadlines: Those of all owned devices.
        max_batch: Most events of a batch, about.
        gather: Least seconds from the begin of a batch to the next one.
        max_seconds: Seconds that a batch may take.
        on_batch: Called with the seconds that each batch has taken.
    """

    def __init__(
        self,
        batches: BatchProcessor,
        records: RecordStore,
        deadlines: Deadlines,
        *,
        max_batch: int,
        gather: float,
        max_seconds: float,
        on_batch: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._batches = batches
        self._records = records
        self._deadlines = deadlines
        self._max_batch = max_batch
        self._gather = gather
        self._max_seconds = max_seconds
        self._on_batch = on_batch
        self._began = 0.0
        self._lock = asyncio.Lock()
        self._arrived: list[Event] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def take(self, events: AsyncIterable[Event]) -> None:
        """Gather events for the next batch; waits while there are more than enough."""
        async for event in events:
            self._arrived.append(event)
            self._wake.set()
            if len(self._arrived) >= self._max_batch:
                self._room.clear()
                await self._room.wait()

    async def run(self) -> None:
        """Process batches until cancelled.

        Raises:
            TimeoutError: A batch took too long.
            Exception: Trouble, as the ports raise it; memory is not to be trusted any more.
        """
        await forever(self._process_next)

    async def _process_next(self) -> None:
        await self._wake.wait()
        await asyncio.sleep(self._began + self._gather - time.monotonic())
        self._began = time.monotonic()
        async with self._lock, asyncio.timeout(self._max_seconds):
            batch, self._arrived = self._arrived, []
            self._wake.clear()
            self._room.set()
            await self._batches.process(batch)
        self._on_batch(time.monotonic() - self._began)

    async def end(self) -> None:
        """Return when no batch is in hand: its successor has less to repeat.

        Others may follow: who stops while partitions move waits until all that was read is acknowledged.
        """
        async with self._lock:
            pass

    async def give_up(self) -> None:
        """Let the batch end, then forget everything: what is not acknowledged is read again by the next owner."""
        async with self._lock:
            self._arrived.clear()
            self._room.set()
            self._forget()

    def take_over(self, partitions: Collection[int]) -> None:
        """Follow the deadlines of all records of partitions, which have been recovered."""
        self._forget()
        with no_collection():
            for partition, device in self._records.owned(partitions):
                self._deadlines.follow(device, partition)
        _log.info("devices_recovered", partitions=len(partitions))

    async def log_counters(self) -> None:
        """Log how many events changed nothing."""
        _log.info("devices_counters", **self._batches.no_ops.log_fields())

    def _forget(self) -> None:
        self._records.forget()
        self._deadlines.clear()

"""What a restored database lacks: executions, progress, commands and devices as Kafka still has them.

The groups of the projector have committed what an older database has never seen. So all that Kafka keeps is read again,
without a group and beside projectors that run: rows are guarded by version, and in the end every task that was named
is counted anew from its rows. What can be done once can be done again. Of devices the last word counts: only where a
projector writes of the same device at the same moment an older one may stay until the device's next report.

It leaves out what is in MongoDB only. Executions whose task the database does not know are passed over.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from sluice_api.application.counting import Arrived, RowWrite
from sluice_api.application.projector.details import Details
from sluice_api.application.projector.ports import Rows, TasksUnderWay
from sluice_api.application.projector.rows import newest_executions, restore
from sluice_common.bus import Received
from sluice_common.messages.execution_events import ExecutionChanged


class RebuildStore(Rows, Protocol):
    """Rows of executions."""

    async def update_executions(self, writes: Sequence[RowWrite]) -> None:
        """Write snapshots over older ones."""
        ...


class KeptMessages(Protocol):
    """What is kept of one topic, while it is read."""

    @property
    def name(self) -> str:
        """Of the topic."""
        ...

    @property
    def read_records(self) -> int:
        """Messages that have been read."""
        ...

    @property
    def poison(self) -> int:
        """Those of them that can never be stored."""
        ...

    @property
    def share(self) -> float:
        """How far it is read, from 0 to 1."""
        ...

    async def read(self, progress: Callable[[], None]) -> None:
        """Read and write everything; `progress` is called after each batch.

        Raises:
            Exception: It cannot be read, or not be written.
        """
        ...


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        ends: Ends of executions that were written, over rows that did not have them or again where rows were missing.
        tasks: Tasks that were counted anew.
        overtaken: Those of them whose counts changed meanwhile time and again: the projector counts them.
    """

    ends: int
    tasks: int
    overtaken: int


class Rebuild:
    """Writes what was read, batch by batch, then counts.

    Args:
        store: Where to.
        details: Writes all but the ends of executions.
        tasks: Counts tasks anew and ends them.
        now: UTC time.
    """

    def __init__(
        self, store: RebuildStore, details: Details, tasks: TasksUnderWay, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._details = details
        self._tasks = tasks
        self._now = now
        self._named: set[str] = set()
        self._reached: dict[int, int] = {}
        self._ends = 0

    async def write(self, batch: Sequence[Received]) -> None:
        """Write a batch; the same again is harmless.

        Raises:
            PoisonError: A message can never be stored; the others may have been.
        """
        await self._details.write(batch)
        executions = [r for r in batch if isinstance(r.message, ExecutionChanged)]
        await self._write_ends(newest_executions([r for r in executions if r.message.status.is_final]))
        self._named |= {r.message.task_id for r in executions}
        for received in executions:
            self._reached[received.partition] = max(received.offset, self._reached.get(received.partition, -1))

    async def _write_ends(self, arrived: Sequence[Arrived]) -> None:
        rows = await self._store.rows([a.snapshot.execution_id for a in arrived])
        missing = [a for a in arrived if a.snapshot.execution_id not in rows]
        # As what they were counted before does not matter: the recount is told that all of them are.
        newer = [
            RowWrite(snapshot=a.snapshot, before=row.status, place=a.place)
            for a in arrived
            if (row := rows.get(a.snapshot.execution_id)) is not None and a.snapshot.version > row.version
        ]
        await self._store.update_executions(newer)
        restored = await restore(self._store, missing)
        self._ends += len(newer) + sum(a.snapshot.task_id in restored for a in missing)

    async def finish(self) -> Rebuilt:
        """Count all tasks that were named or are under way, and end those whose executions have all ended."""
        named = await self._store.apps_of_tasks(self._named)
        tasks = sorted({*named, *await self._tasks.under_way()})
        overtaken = 0
        for task_id in tasks:
            overtaken += not await self._tasks.recount(task_id, self._reached)
            await self._tasks.end_if_done(task_id, self._now())
        return Rebuilt(ends=self._ends, tasks=len(tasks), overtaken=overtaken)

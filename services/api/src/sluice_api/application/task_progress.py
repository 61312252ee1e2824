"""Progress of a task: how many executions it has, from its expansion; how many of each status, from their snapshots."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from sluice_api.application.counting import Counts, Row, counted_as
from sluice_api.domain.models import Progress, TaskResult, TaskStatus
from sluice_api.domain.tasks import is_done, progress_of, result_of
from sluice_common.messages.execution_events import ExecutionStatus

_log = structlog.get_logger()
_ENDS = {TaskStatus.RUNNING: TaskStatus.FINISHED, TaskStatus.STOPPING: TaskStatus.STOPPED}
_MAX_TRIES = 5
_PAGE = 1000


class ExpandedTask(msgspec.Struct, frozen=True):
    """A task that has not ended and whose executions are all there.

    Attributes:
        status: RUNNING or STOPPING.
        total: Executions.
    """

    status: TaskStatus
    total: int


class ProgressStore(Protocol):
    """Tasks, their executions and their counts."""

    async def expanded(self, task_id: str) -> ExpandedTask | None:
        """Return a task unless it has ended, is gone, or has not all its executions yet."""
        ...

    async def counts(self, task_ids: Sequence[str]) -> Mapping[str, Counts]:
        """Return the counts of those tasks that have some."""
        ...

    def rows(self, task_id: str, page: int) -> AsyncGenerator[Sequence[Row], None]:
        """Yield pages of a task's executions."""
        ...

    async def replace_counts(self, task_id: str, before: Counts, after: Counts, total: int) -> bool:
        """Save the counts of a task and, if its executions are all there, their number; return whether that was done.

        It is not if the positions are not any more those that were read.
        """
        ...

    async def end(
        self,
        task_id: str,
        before: TaskStatus,
        after: TaskStatus,
        *,
        result: TaskResult | None,
        progress: Progress,
        now: datetime,
    ) -> None:
        """End a task of a status."""
        ...

    async def under_way(self) -> Sequence[str]:
        """Return the ids of all tasks that have not ended."""
        ...


class TaskProgress:
    """Ends a task with the last of its executions, and counts them anew where that is needed."""

    def __init__(self, store: ProgressStore) -> None:
        self._store = store

    async def end_if_done(self, task_id: str, now: datetime) -> None:
        """End a task whose executions have all ended."""
        # In this order: once all executions are there, their number does not change while they are counted.
        task = await self._store.expanded(task_id)
        if task is None:
            return
        counts = (await self._store.counts([task_id])).get(task_id, Counts())
        progress = progress_of(task.total, counts.by_status)
        if is_done(progress):
            after = _ENDS[task.status]
            result = result_of(progress, after)
            await self._store.end(task_id, task.status, after, result=result, progress=progress, now=now)

    async def recount(self, task_id: str, reached: Mapping[int, int] = {}) -> bool:
        """Count the executions of a task anew.

        It mends what was lost with a database, and takes over what an older version has counted otherwise.

        Args:
            task_id: The task.
            reached: By partition, the offset up to which snapshots are written and to be counted.

        Returns:
            Whether that was done: False if its counts changed meanwhile, time and again.
        """
        for _ in range(_MAX_TRIES):
            before = (await self._store.counts([task_id])).get(task_id, Counts())
            after = Counts(positions=_furthest(before.positions, reached))
            counted: Counter[ExecutionStatus] = Counter()
            async with aclosing(self._store.rows(task_id, _PAGE)) as pages:
                async for page in pages:
                    counted.update(counted_as(row, after) for row in page)
            ends = {status: number for status, number in counted.items() if status.is_final}
            if await self._store.replace_counts(
                task_id, before, msgspec.structs.replace(after, by_status=ends), counted.total()
            ):
                return True
        _log.info("recount_overtaken", task_id=task_id)
        return False

    async def under_way(self) -> Sequence[str]:
        """Return the ids of all tasks that have not ended."""
        return await self._store.under_way()


def _furthest(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {p: max(one.get(p, -1), other.get(p, -1)) for p in [*one, *(p for p in other if p not in one)]}

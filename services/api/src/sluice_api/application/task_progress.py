"""Progress of a task: counted from its executions, never added up, and kept beside the task."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sluice_api.domain.models import Progress, TaskResult, TaskStatus
from sluice_api.domain.tasks import is_done, progress_of, result_of

_ENDS = ((TaskStatus.RUNNING, TaskStatus.FINISHED), (TaskStatus.STOPPING, TaskStatus.STOPPED))


class ProgressStore(Protocol):
    """Tasks and the counts of their executions."""

    async def count(self, task_id: str) -> Mapping[str, int]:
        """Return how many executions of a task have each status."""
        ...

    async def save(self, task_id: str, progress: Progress, now: datetime) -> None:
        """Save the progress of a task unless it has ended."""
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
    ) -> bool:
        """End a task of a status whose executions are all there; return whether it was such a one."""
        ...

    async def is_under_way(self, task_id: str) -> bool:
        """Return whether a task is there and has not ended."""
        ...

    async def under_way(self) -> Sequence[str]:
        """Return the ids of all tasks that have not ended."""
        ...


class TaskProgress:
    """Counts a task's executions and ends the task with the last of them."""

    def __init__(self, store: ProgressStore) -> None:
        self._store = store

    async def refresh(self, task_id: str, now: datetime) -> bool:
        """Count; return whether there may be more to count later without a further event.

        That is so while the task is being expanded: its last execution may have ended before the expansion has.
        """
        progress = progress_of(await self._store.count(task_id))
        await self._store.save(task_id, progress, now)
        return is_done(progress) and not await self._end(task_id, progress, now)

    async def under_way(self) -> Sequence[str]:
        """Return the ids of all tasks that have not ended."""
        return await self._store.under_way()

    async def _end(self, task_id: str, progress: Progress, now: datetime) -> bool:
        """End a task whose executions have all ended; return whether nothing is left to do."""
        result = result_of(progress)
        for before, after in _ENDS:
            if await self._store.end(task_id, before, after, result=result, progress=progress, now=now):
                return True
        return not await self._store.is_under_way(task_id)

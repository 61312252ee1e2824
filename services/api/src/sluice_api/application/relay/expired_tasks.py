"""Tasks that ended long ago: they are deleted with their executions, as if a user had done it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

_log = structlog.get_logger()
_PAUSE = timedelta(minutes=10)
"""From a look that found nothing to the next."""
_AT_ONCE = 100


class EndedTasks(Protocol):
    """Tasks that have ended."""

    async def ended_before(self, at: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return app and id of tasks that ended before a time, so many at most."""
        ...

    async def remove(self, app_id: str, task_id: str, at: datetime) -> bool:
        """Leave a tombstone of a task that has ended, for its executions to be deleted; return whether it did."""
        ...


class ExpiredTasks:
    """Deletes tasks whose time is over.

    Args:
        tasks: The tasks.
        keep: How long a task is kept after its end; zero keeps all.
        now: UTC time.
    """

    def __init__(self, tasks: EndedTasks, keep: timedelta, now: Callable[[], datetime]) -> None:
        self._tasks = tasks
        self._keep = keep
        self._now = now
        self._look_at = now()

    async def remove_when_due(self) -> bool:
        """Delete some; return whether there may be more."""
        now = self._now()
        if not self._keep or now < self._look_at:
            return False
        found = await self._tasks.ended_before(now - self._keep, _AT_ONCE)
        removed = [task for task in found if await self._tasks.remove(*task, now)]
        for app_id, task_id in removed:
            _log.info("task_expired", app_id=app_id, task_id=task_id)
        if not removed:  # none, or none but those that other tasks have yet to read
            self._look_at = now + _PAUSE
        return bool(removed)

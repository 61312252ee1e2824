"""The projector: feeds the projection from Kafka and counts the tasks that change."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from sluice_api.application.projector.projection import Projection
from sluice_api.application.task_progress import TaskProgress
from sluice_common.bus import Received

_log = structlog.get_logger()
_RETRY = 1.0
_DEADLINE = 240.0
"""Seconds after which a batch that MongoDB does not take ends the process: before Kafka takes the partitions away."""
_TICK = 0.25
_SHARE = 10.0
"""A count that took a second is not repeated for ten."""


class Projector:
    """One replica of the projector.

    Args:
        projection: Writes.
        progress: Counts.
        now: UTC time.
        interval: Least seconds between two counts of a task.
        sweep: Seconds between counts of all tasks that are under way: for those whose events went to a replica that
            died before it had counted.
        trouble: Errors of MongoDB, after which a write or count is repeated.
    """

    def __init__(
        self,
        projection: Projection,
        progress: TaskProgress,
        *,
        now: Callable[[], datetime],
        interval: float,
        sweep: float,
        trouble: tuple[type[Exception], ...],
    ) -> None:
        self._projection = projection
        self._progress = progress
        self._now = now
        self._interval = interval
        self._sweep = sweep
        self._trouble = trouble
        self._not_before: dict[str, float] = {}

    async def handle(self, batch: Sequence[Received]) -> None:
        """Write a batch; waits for MongoDB where it must.

        Raises:
            PoisonError: A message of the batch can never be stored.
            Exception: MongoDB does not take the batch within the deadline.
        """
        until = time.monotonic() + _DEADLINE
        while True:
            try:
                return await self._projection.write([received.message for received in batch])
            except self._trouble as error:
                if time.monotonic() > until:
                    raise
                _log.warning("projection_failed", error=type(error).__name__, detail=str(error)[:300])
                await asyncio.sleep(_RETRY)

    async def count(self) -> None:
        """Count changed tasks until cancelled."""
        sweep_at = 0.0
        while True:
            try:
                if time.monotonic() >= sweep_at:
                    sweep_at = time.monotonic() + self._sweep
                    self._projection.changed_tasks |= set(await self._progress.under_way())
                await self._count_changed()
            except self._trouble as error:
                _log.warning("count_failed", error=type(error).__name__, detail=str(error)[:300])
                await asyncio.sleep(_RETRY)
            await asyncio.sleep(_TICK)

    async def _count_changed(self) -> None:
        started = time.monotonic()
        self._not_before = {t: at for t, at in self._not_before.items() if at > started}
        for task_id in [t for t in self._projection.changed_tasks if t not in self._not_before]:
            self._projection.changed_tasks.discard(task_id)
            before = time.monotonic()
            try:
                again = await self._progress.refresh(task_id, self._now())
            except self._trouble:
                self._projection.changed_tasks.add(task_id)
                raise
            took = time.monotonic() - before
            self._not_before[task_id] = before + max(self._interval, took * _SHARE)
            if again:
                self._projection.changed_tasks.add(task_id)

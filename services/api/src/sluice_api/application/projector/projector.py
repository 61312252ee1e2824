"""The projector: feeds the projection from Kafka and ends tasks with the last of their executions."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sluice_api.application.projector.ports import TasksUnderWay
from sluice_api.application.projector.projection import Projection
from sluice_common.bus import Received
from sluice_common.supervision import repeat


class Projector:
    """One replica of the projector.

    Args:
        projection: Writes.
        tasks: Ends tasks, and counts them anew.
        now: UTC time.
        sweep: Seconds between looks at all tasks that are under way: for those whose relay or projector died before it
            had ended them.
        recount: Seconds between counts of all executions of these tasks, which only mend what was lost elsewhere.
    """

    def __init__(
        self,
        projection: Projection,
        tasks: TasksUnderWay,
        *,
        now: Callable[[], datetime],
        sweep: float,
        recount: float,
    ) -> None:
        self._projection = projection
        self._tasks = tasks
        self._now = now
        self._sweep = sweep
        self._recount = recount
        self._recount_at = 0.0

    async def handle(self, batch: Sequence[Received]) -> None:
        """Write a batch; the same again is harmless.

        Raises:
            PoisonError: A message of the batch can never be stored.
            Exception: MongoDB does not take it.
        """
        for task_id in await self._projection.write(batch):
            await self._tasks.end_if_done(task_id, self._now())

    async def look_after_tasks(self) -> None:
        """Look at all tasks under way from time to time, until cancelled."""
        await repeat("tasks_not_looked_at", self._look)

    async def _look(self) -> None:
        recount = time.monotonic() >= self._recount_at
        counted = True
        for task_id in await self._tasks.under_way():
            if recount:
                counted &= await self._tasks.recount(task_id)
            await self._tasks.end_if_done(task_id, self._now())
        if recount and counted:
            self._recount_at = time.monotonic() + self._recount
        await asyncio.sleep(self._sweep)

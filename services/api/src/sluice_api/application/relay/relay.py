"""The relay: publishes the outbox, works on tasks, and ends all use of revoked keys.

It also deletes what dead uploads left behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from sluice_api.application.relay.abandoned_uploads import AbandonedUploads
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.ports import Lease
from sluice_api.application.relay.revocation import Revocation
from sluice_api.application.relay.task_work import TaskWork

_log = structlog.get_logger()
_FAILED_PAUSE = 1.0
"""Seconds to wait when Kafka or MongoDB fails."""
_CLEARING_PAUSE = timedelta(hours=1)
"""Between two looks for abandoned uploads; the first is at the start."""


class Relay:
    """One replica of the relay.

    Args:
        lease: The right to work.
        revocation: Ends the use of revoked keys.
        outboxes: The messages of all but tasks.
        task_work: Works on tasks, and publishes their messages.
        abandoned: Deletes what uploads left behind.
        now: UTC time.
        interval: Seconds between looks at the outbox.
        trouble: Errors of Kafka and MongoDB, after which a look is repeated.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        revocation: Revocation,
        outboxes: Sequence[Outbox],
        task_work: TaskWork,
        abandoned: AbandonedUploads,
        now: Callable[[], datetime],
        interval: float,
        trouble: tuple[type[Exception], ...],
    ) -> None:
        self._lease = lease
        self._revocation = revocation
        self._outboxes = outboxes
        self._task_work = task_work
        self._abandoned = abandoned
        self._now = now
        self._interval = interval
        self._trouble = trouble
        self._clear_at = now()

    async def run(self) -> None:
        """Work until cancelled. Messages do not wait for the expansion of a task."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat(self._send_messages))
                group.create_task(self._repeat(self._task_work.work_on_due))
                group.create_task(self._repeat(self._clear_abandoned))
        finally:
            await self._lease.release()

    async def _repeat(self, look: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                if await self._lease.hold() and await look():
                    continue
            except self._trouble as error:
                _log.warning("relay_failed", error=type(error).__name__, detail=str(error)[:300])
                await asyncio.sleep(_FAILED_PAUSE)
            await asyncio.sleep(self._interval)

    async def _send_messages(self) -> bool:
        found = await self._revocation.sweep_due(self._now())
        for outbox in self._outboxes:
            found |= await outbox.deliver_due(self._now())
        return found

    async def _clear_abandoned(self) -> bool:
        if self._now() >= self._clear_at:
            await self._abandoned.clear(self._now())
            self._clear_at = self._now() + _CLEARING_PAUSE
        return False

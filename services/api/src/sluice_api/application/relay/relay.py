"""The relay: publishes the outbox, expands, stops and clears away tasks, and ends all use of revoked keys.

It also deletes what dead uploads left behind.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from sluice_api.adapters.mongo.collections import COMMANDS, PACKAGES, PUBLIC_KEYS, TASKS, Document
from sluice_api.adapters.mongo.public_keys import Revocation
from sluice_api.adapters.mongo.relay.leases import Lease
from sluice_api.adapters.mongo.task_progress import TaskProgress
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.application.relay.abandoned_uploads import AbandonedUploads
from sluice_api.application.relay.expansion import Expansion, LastPage, OvertakenError
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.start_check import StartCheck
from sluice_api.application.relay.stop_and_purge import Purge, Stop
from sluice_api.domain.tasks import TaskStatus
from sluice_common.bus import Producer
from sluice_common.mongo import Database

_log = structlog.get_logger()
_TASKS_AT_ONCE = 50
_FAILED_PAUSE = 1.0
"""Seconds to wait when Kafka or MongoDB fails."""
_CLEARING_PAUSE = timedelta(hours=1)
"""Between two looks for leftovers; the first is at the start."""
Work = Expansion | LastPage | Stop | Purge


class Relay:
    """One replica of the relay.

    Args:
        database: The database.
        producer: To Kafka.
        lease: The right to work.
        now: UTC time.
        interval: Seconds between looks at the outbox.
        page: Devices of a page.
    """

    def __init__(
        self,
        database: Database,
        producer: Producer,
        lease: Lease,
        *,
        now: Callable[[], datetime],
        interval: float,
        page: int,
    ) -> None:
        self._database = database
        self._producer = producer
        self._lease = lease
        self._now = now
        self._interval = interval
        self._page = page
        self._outbox = Outbox(database, producer)
        self._progress = TaskProgress(database)
        self._revocation = Revocation(database, Tasks(database))
        self._start_check = StartCheck(database, Tasks(database))
        self._abandoned = AbandonedUploads(database)
        self._clear_at = now()
        self._works: dict[str, Work] = {}

    async def run(self) -> None:
        """Work until cancelled. Messages do not wait for the expansion of a task."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat(self._send_messages))
                group.create_task(self._repeat(self._work_on_tasks))
                group.create_task(self._repeat(self._clear_abandoned))
        finally:
            await self._lease.release()

    async def _repeat(self, look: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                if await self._lease.hold() and await look():
                    continue
            except (KafkaError, PyMongoError, TimeoutError) as error:
                _log.warning("relay_failed", error=type(error).__name__, detail=str(error)[:300])
                await asyncio.sleep(_FAILED_PAUSE)
            await asyncio.sleep(self._interval)

    async def _send_messages(self) -> bool:
        found = False
        for key in await self._outbox.due(PUBLIC_KEYS, self._now()):
            await self._revocation.sweep(key, self._now())
            found = True
        for collection in (PACKAGES, COMMANDS):
            if documents := await self._outbox.due(collection, self._now()):
                await self._outbox.deliver(collection, documents, done=True)
                found = True
        return found

    async def _clear_abandoned(self) -> bool:
        if self._now() >= self._clear_at:
            await self._abandoned.clear(self._now())
            self._clear_at = self._now() + _CLEARING_PAUSE
        return False

    async def _work_on_tasks(self) -> bool:
        tasks = await self._outbox.due(TASKS, self._now(), _TASKS_AT_ONCE)
        for task in tasks:
            try:
                await self._work_on(task)
            except OvertakenError:
                _log.info("relay_overtaken", task_id=task["_id"])
                await self._leave(task["_id"])
            except BaseException:
                # Its cursor may be broken: it is opened again behind the checkpoint.
                await self._leave(task["_id"])
                raise
        return bool(tasks)

    async def _work_on(self, task: Document) -> None:
        """Send the messages of a task, then do one page of what its state asks for."""
        kind = work_of(task)
        if task.get("outbox") or kind is None:
            await self._outbox.deliver(TASKS, [task], done=kind is None)
        if kind is None:
            return await self._leave(task["_id"])
        if kind is Expansion and is_new(task) and await self._start_check.refused(task, self._now()):
            return await self._leave(task["_id"])
        work = await self._work(kind, task)
        if not await work.step(self._now()):
            # Counted first, so that whoever sees the new status sees all executions, and again if that may end it.
            may_end = await self._progress.refresh(task["_id"], self._now())
            await work.finish()
            await self._leave(task["_id"])
            if may_end:
                await self._progress.refresh(task["_id"], self._now())
        return None

    async def _work(self, kind: type[Work], task: Document) -> Work:
        current = self._works.get(task["_id"])
        if type(current) is kind:
            return current
        await self._leave(task["_id"])
        work = self._works[task["_id"]] = kind(self._database, self._producer, task, self._page)
        return work

    async def _leave(self, task_id: str) -> None:
        if work := self._works.pop(task_id, None):
            await work.close()


def is_new(task: Document) -> bool:
    """Return whether no page of a task has been completed."""
    return not task["expansion"]["page"]


def work_of(task: Document) -> type[Work] | None:
    """Return what the relay has to do for a task in its state."""
    if "deleted_at" in task:
        return Purge
    match task["status"]:
        case TaskStatus.SCHEDULED | TaskStatus.EXPANDING:
            return Expansion
        case TaskStatus.STOPPING:
            return Stop if task["expansion"]["complete"] else LastPage
    return None

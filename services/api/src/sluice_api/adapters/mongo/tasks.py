"""Tasks, as users ask for them. The relay expands and stops them; the projector counts and ends them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from sluice_api.adapters.mongo.collections import TASKS, Document
from sluice_api.adapters.mongo.outbox import also_send, no_hint, with_messages
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.application.counting import Counts
from sluice_api.domain.errors import MAX_NAMED, NamedTask
from sluice_api.domain.executions import progress_at
from sluice_api.domain.models import Page, Progress, Task, TaskFilter, TaskStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_api.domain.tasks import FINAL, READING, STOPPABLE, UNDER_WAY, progress_of
from sluice_common.messages import base
from sluice_common.messages.execution_events import Reason
from sluice_common.mongo import Database

CODEC = RecordCodec(Task, "task_id")


class Tasks(TenantRepository[Task, TaskFilter]):
    """The tasks.

    Args:
        database: The database.
        hint: Called when a message waits for the relay.
        now: UTC time.
    """

    def __init__(
        self, database: Database, hint: Callable[[], None] = no_hint, now: Callable[[], datetime] = base.now
    ) -> None:
        super().__init__(database, TASKS, CODEC, "task", leave_out=("targets.device_ids",))
        self._hint = hint
        self._now = now
        self._progress = MongoProgressStore(database)

    async def find(self, app_id: str, identifier: str) -> Task | None:
        """Return the task with its progress as it is now, None if the app has none of that id."""
        task = await super().find(app_id, identifier)
        return task and (await self._shown([task]))[0]

    async def page(self, app_id: str, wanted: TaskFilter, limit: int, after: str | None) -> Page[Task]:
        """Return one page in order of creation.

        Raises:
            InvalidError: `after` is no cursor.
        """
        found = await super().page(app_id, wanted, limit, after)
        return Page(await self._shown(found.items), found.next)

    async def _shown(self, tasks: Sequence[Task]) -> list[Task]:
        """Return tasks with their progress as it is now; that of a task that has ended stands in it."""
        now = self._now()
        counts = await self._progress.counts([t.task_id for t in tasks if not t.status.is_final])
        return [
            t if t.status.is_final else replace(t, progress=progress_at(_progress(t, counts), t.runs_at, now))
            for t in tasks
        ]

    async def add(self, task: Task, message: OutboxMessage) -> None:
        """Store a task with its message; the relay expands it from when it begins.

        Raises:
            ConflictError: It exists already.
        """
        await self._insert(with_messages(_document(task), task.begins_at, message), "The task exists already.")
        self._hint()

    async def stop(
        self, app_id: str, task_id: str, at: datetime, message: OutboxMessage, reason: Reason | None = None
    ) -> None:
        """Stop a task, together with its message, unless it has ended or is stopping."""
        change = also_send(at, message)
        change["$set"] |= {
            "status": TaskStatus.STOPPING.value,
            "stop_after": "",
            "stopped_at": at,
            "stop_reason": None if reason is None else reason.code.value,
            "stop_params": {} if reason is None else reason.params,
        }
        stoppable = {"_id": task_id, "app_id": app_id, "status": {"$in": [status.value for status in STOPPABLE]}}
        await self._documents.update_one(stoppable, change)
        self._hint()

    async def stoppable_of(self, package_id: str) -> Sequence[tuple[str, str]]:
        """Return app and id of each task of a package that has not ended and is not stopping."""
        found: dict[str, str] = {}
        for status in STOPPABLE:  # in their order: one that moves on meanwhile is found again
            using = {"package_id": package_id, "status": status.value}
            found |= {task["_id"]: task["app_id"] async for task in self._documents.find(using, {"app_id": 1})}
        return [(app_id, task_id) for task_id, app_id in found.items()]

    async def remove(self, app_id: str, task_id: str, at: datetime) -> bool:
        """Leave a tombstone of a task that has ended, for the relay to delete its executions; return whether it did.

        The tombstone has no app: no query of an app finds it, and nothing that arrives late brings its executions back.
        A task that begins to retry it at this moment is seen by the relay (`Purge`, `StartCheck`).
        """
        if await self.retries_of(task_id, READING):
            return False
        ended = {"_id": task_id, "app_id": app_id, "status": {"$in": [status.value for status in FINAL]}}
        tombstone = {"_id": task_id, "deleted_from": app_id, "deleted_at": at, "relay_at": at}
        return (await self._documents.replace_one(ended, tombstone)).modified_count == 1

    async def retries_of(self, task_id: str, statuses: Collection[TaskStatus]) -> Sequence[NamedTask]:
        """Return tasks of these statuses that retry one, at most `MAX_NAMED`."""
        wanted = {"targets.failed_of": task_id, "status": {"$in": [status.value for status in statuses]}}
        found = self._documents.find(wanted, {"name": 1, "status": 1}).limit(MAX_NAMED)
        return [NamedTask(task["_id"], task["name"], task["status"]) async for task in found]

    async def ended_before(self, at: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return app and id of tasks that ended before a time, so many at most."""
        found: list[Document] = []
        for status in FINAL:
            if left := limit - len(found):
                ended = {"status": status.value, "ended_at": {"$lt": at}}
                found += await self._documents.find(ended, {"app_id": 1}).limit(left).to_list(None)
        return [(task["app_id"], task["_id"]) for task in found]

    async def under_way_of(self, package_id: str) -> Sequence[NamedTask]:
        """Return tasks under way that use a package, at most `MAX_NAMED`."""
        found: dict[str, NamedTask] = {}
        for status in UNDER_WAY:  # in their order: one that moves on meanwhile is found again, and named once
            using = {"package_id": package_id, "status": status.value}
            if left := MAX_NAMED - len(found):
                async for task in self._documents.find(using, {"name": 1, "status": 1}).limit(left):
                    found[task["_id"]] = NamedTask(task["_id"], task["name"], task["status"])
        return list(found.values())


def _progress(task: Task, counts: Mapping[str, Counts]) -> Progress:
    found = counts.get(task.task_id)
    if found is None and task.expansion.total == 0:
        return task.progress  # of a task that an older version has counted
    return progress_of(task.expansion.total, found.by_status if found else {})


def _document(task: Task) -> Document:
    """Return the document of a task; its policy is stored whole, for defaults may change."""
    policy = msgspec.structs.asdict(task.policy) | {"timeouts": msgspec.structs.asdict(task.policy.timeouts)}
    return CODEC.document(task) | {"policy": policy}

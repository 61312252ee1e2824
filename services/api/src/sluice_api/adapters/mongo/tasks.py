"""Tasks, as users ask for them. The relay expands and stops them; the projector counts and ends them."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from sluice_api.adapters.mongo.collections import TASKS, Document
from sluice_api.adapters.mongo.outbox import also_send, no_hint, with_messages
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import MAX_NAMED, NamedTask
from sluice_api.domain.models import Task, TaskFilter, TaskStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_api.domain.tasks import FINAL, STOPPABLE, UNDER_WAY
from sluice_common.messages.execution_events import Reason
from sluice_common.mongo import Database

CODEC = RecordCodec(Task, "task_id")


class Tasks(TenantRepository[Task, TaskFilter]):
    """The tasks.

    Args:
        database: The database.
        hint: Called when a message waits for the relay.
    """

    def __init__(self, database: Database, hint: Callable[[], None] = no_hint) -> None:
        super().__init__(database, TASKS, CODEC, "task", leave_out=("targets.device_ids",))
        self._hint = hint

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
        found: list[Document] = []
        for status in STOPPABLE:
            using = {"package_id": package_id, "status": status.value}
            found += await self._documents.find(using, {"app_id": 1}).to_list(None)
        return [(task["app_id"], task["_id"]) for task in found]

    async def remove(self, app_id: str, task_id: str, at: datetime) -> bool:
        """Leave a tombstone of a task that has ended, for the relay to delete its executions; return whether it had.

        The tombstone has no app: no query of an app finds it, and nothing that arrives late brings its executions back.
        """
        ended = {"_id": task_id, "app_id": app_id, "status": {"$in": [status.value for status in FINAL]}}
        tombstone = {"_id": task_id, "deleted_from": app_id, "deleted_at": at, "relay_at": at}
        return (await self._documents.replace_one(ended, tombstone)).modified_count == 1

    async def under_way_of(self, package_id: str) -> Sequence[NamedTask]:
        """Return tasks under way that use a package, at most `MAX_NAMED`."""
        found: list[Document] = []
        for status in UNDER_WAY:
            using = {"package_id": package_id, "status": status.value}
            if left := MAX_NAMED - len(found):
                found += await self._documents.find(using, {"name": 1, "status": 1}).limit(left).to_list(None)
        return [NamedTask(task["_id"], task["name"], task["status"]) for task in found]


def _document(task: Task) -> Document:
    """Return the document of a task; its policy is stored whole, for defaults may change."""
    policy = msgspec.structs.asdict(task.policy) | {"timeouts": msgspec.structs.asdict(task.policy.timeouts)}
    return CODEC.document(task) | {"policy": policy}

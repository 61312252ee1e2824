"""What stopping a task and purging a deleted one read and write."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from sluice_api.adapters.mongo.collections import EXECUTION_PAGES, EXECUTIONS, TASK_COUNTS, TASKS, Document, chunks
from sluice_api.adapters.mongo.pages import pages
from sluice_api.application.relay.records import ActiveExecution
from sluice_api.domain.models import TaskStatus
from sluice_common.mongo import Database


class MongoTaskEndStore:
    """Tasks that end, and their executions."""

    def __init__(self, database: Database) -> None:
        self._tasks = database[TASKS]
        self._executions = database[EXECUTIONS]
        self._pages = database[EXECUTION_PAGES]
        self._counts = database[TASK_COUNTS]

    def active_executions(self, task_id: str, *, after: str, page: int) -> AsyncGenerator[list[ActiveExecution], None]:
        """Yield pages of a task's executions that have not ended, in the order of ids."""
        ids = {"$gt": after or f"{task_id}:", "$lt": f"{task_id};"}
        active = self._executions.find({"task_id": task_id, "_id": ids, "active": True}, {"device_id": 1})
        return pages(active.sort("_id", 1), page, _active_execution)

    async def save_stopped(self, task_id: str, after: str) -> None:
        """Save which execution of a task was asked to stop last."""
        await self._tasks.update_one({"_id": task_id}, {"$set": {"stop_after": after}})

    async def finish_stop(self, task_id: str) -> None:
        """Note that all executions of a task have been asked, unless the task is not being stopped any more."""
        asked_to_stop = {"_id": task_id, "status": TaskStatus.STOPPING.value}
        await self._tasks.update_one(asked_to_stop, {"$unset": {"relay_at": True, "stop_after": True}})

    def executions(self, task_id: str, page: int) -> AsyncGenerator[list[str], None]:
        """Yield pages of the ids of a task's executions."""
        return pages(self._executions.find({"task_id": task_id}, {"_id": 1}), page, lambda d: str(d["_id"]))

    async def delete_executions(self, execution_ids: Sequence[str]) -> None:
        """Delete executions."""
        for ids in chunks(execution_ids):
            await self._executions.delete_many({"_id": {"$in": list(ids)}})

    async def is_being_retried(self, task_id: str) -> bool:
        """Return whether a task that is being expanded reads the executions of a tombstone."""
        reading = {"targets.failed_of": task_id, "status": TaskStatus.EXPANDING.value}
        return await self._tasks.find_one(reading, {"_id": 1}) is not None

    async def postpone_purge(self, task_id: str, until: datetime) -> None:
        """Let the relay look at a tombstone again at a time."""
        await self._tasks.update_one({"_id": task_id}, {"$set": {"relay_at": until}})

    async def finish_purge(self, task_id: str) -> None:
        """Note that the executions of a tombstone are deleted."""
        await self._pages.delete_many({"task_id": task_id})
        await self._counts.delete_one({"_id": task_id})
        await self._tasks.update_one({"_id": task_id}, {"$unset": {"relay_at": True}})


def _active_execution(document: Document) -> ActiveExecution:
    return ActiveExecution(execution_id=document["_id"], device_id=document["device_id"])

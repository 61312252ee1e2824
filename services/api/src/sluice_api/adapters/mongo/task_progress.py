"""The counts of executions, and what is kept of them beside their task."""

from datetime import datetime
from typing import Any

from sluice_api.adapters.mongo.collections import EXECUTIONS, TASKS
from sluice_api.adapters.mongo.records import fields_of
from sluice_api.domain.models import Progress, TaskResult, TaskStatus
from sluice_api.domain.tasks import UNDER_WAY
from sluice_common.mongo import Database

_UNDER_WAY = [status.value for status in UNDER_WAY]


class MongoProgressStore:
    """Tasks and the counts of their executions."""

    def __init__(self, database: Database) -> None:
        self._tasks = database[TASKS]
        self._executions = database[EXECUTIONS]

    async def count(self, task_id: str) -> dict[str, int]:
        """Return how many executions of a task have each status."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"task_id": task_id}},
            {"$group": {"_id": "$status", "count": {"$sum": 1}}},
        ]
        return {found["_id"]: found["count"] async for found in await self._executions.aggregate(pipeline)}

    async def save(self, task_id: str, progress: Progress, now: datetime) -> None:
        """Save the progress of a task unless it has ended."""
        await self._tasks.update_one(
            {"_id": task_id, "status": {"$in": _UNDER_WAY}},
            {"$set": {"progress": fields_of(progress), "counted_at": now}},
        )

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
        expanded = {"_id": task_id, "status": before.value, "expansion.complete": True}
        ended = {
            "status": after.value,
            "result": result and result.value,
            "progress": fields_of(progress),
            "ended_at": now,
        }
        return (await self._tasks.update_one(expanded, {"$set": ended})).matched_count == 1

    async def is_under_way(self, task_id: str) -> bool:
        """Return whether a task is there and has not ended."""
        task = await self._tasks.find_one({"_id": task_id}, {"status": 1})
        return task is not None and task.get("status") in _UNDER_WAY

    async def under_way(self) -> list[str]:
        """Return the ids of all tasks that have not ended."""
        return [task["_id"] for status in _UNDER_WAY async for task in self._tasks.find({"status": status}, {"_id": 1})]

"""Task progress: counted from the executions, never added up, and kept beside the task."""

from datetime import datetime
from typing import Any

from sluice_api.adapters.mongo.collections import EXECUTIONS, TASKS
from sluice_api.domain.tasks import UNDER_WAY, TaskStatus, is_done, progress_of, result_of
from sluice_common.mongo import Database

_ENDS = ((TaskStatus.RUNNING, TaskStatus.FINISHED), (TaskStatus.STOPPING, TaskStatus.STOPPED))
_UNDER_WAY = [status.value for status in UNDER_WAY]


class TaskProgress:
    """Counts a task's executions and ends the task with the last of them."""

    def __init__(self, database: Database) -> None:
        self._tasks = database[TASKS]
        self._executions = database[EXECUTIONS]

    async def refresh(self, task_id: str, now: datetime) -> bool:
        """Count; return whether there may be more to count later without a further event.

        That is so while the task is being expanded: its last execution may have ended before the expansion has.
        """
        pipeline: list[dict[str, Any]] = [
            {"$match": {"task_id": task_id}},
            {"$group": {"_id": "$status", "count": {"$sum": 1}}},
        ]
        counts = {found["_id"]: found["count"] async for found in self._executions.aggregate(pipeline)}
        progress = progress_of(counts)
        await self._tasks.update_one(
            {"_id": task_id, "status": {"$in": _UNDER_WAY}}, {"$set": {"progress": progress, "counted_at": now}}
        )
        return is_done(progress) and not await self._end(task_id, progress, now)

    async def under_way(self) -> list[str]:
        """Return the ids of all tasks that have not ended."""
        return [task["_id"] for status in _UNDER_WAY async for task in self._tasks.find({"status": status}, {"_id": 1})]

    async def _end(self, task_id: str, progress: dict[str, int], now: datetime) -> bool:
        """End a task whose executions have all ended; return whether nothing is left to do."""
        for before, after in _ENDS:
            ended = {"status": after.value, "result": result_of(progress), "progress": progress, "ended_at": now}
            expanded = {"_id": task_id, "status": before.value, "expansion.complete": True}
            if (await self._tasks.update_one(expanded, {"$set": ended})).matched_count:
                return True
        task = await self._tasks.find_one({"_id": task_id}, {"status": 1})
        return task is None or task.get("status") not in _UNDER_WAY

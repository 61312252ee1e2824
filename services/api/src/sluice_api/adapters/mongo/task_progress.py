"""The counts of a task's executions, and what becomes of the task by them."""

from collections.abc import AsyncGenerator, Collection
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import EXECUTIONS, TASK_COUNTS, TASKS, Document, chunks
from sluice_api.adapters.mongo.pages import pages
from sluice_api.adapters.mongo.records import fields_of
from sluice_api.application.counting import CountChange, Counts, Place, Row
from sluice_api.application.task_progress import ExpandedTask
from sluice_api.domain.models import Progress, TaskResult, TaskStatus
from sluice_api.domain.tasks import UNDER_WAY
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.mongo import Database

ROW = {"version": 1, "status": 1, "runs_at": 1, "applied": 1}
"""The fields that `row_of` reads."""


class MongoProgressStore:
    """Tasks, their executions and their counts."""

    def __init__(self, database: Database) -> None:
        self._tasks = database[TASKS]
        self._executions = database[EXECUTIONS]
        self._counts = database[TASK_COUNTS]

    async def expanded(self, task_id: str) -> ExpandedTask | None:
        """Return a task unless it has ended, is gone, or has not all its executions yet."""
        task = await self._tasks.find_one({"_id": task_id}, {"status": 1, "expansion": 1})
        if task is None or task.get("status") not in (TaskStatus.RUNNING.value, TaskStatus.STOPPING.value):
            return None
        expansion = task["expansion"]
        if not expansion["complete"] or "total" not in expansion:
            return None
        return ExpandedTask(TaskStatus(task["status"]), expansion["total"])

    async def counts(self, task_ids: Collection[str]) -> dict[str, Counts]:
        """Return the counts of those tasks that have some."""
        found: dict[str, Counts] = {}
        for ids in chunks(sorted(task_ids)):
            async for document in self._counts.find({"_id": {"$in": list(ids)}}):
                found[document["_id"]] = _counts_of(document)
        return found

    async def change_counts(self, task_id: str, change: CountChange) -> bool:
        """Change the counts of a task; return False if they are not any more those that were read."""
        added = {f"counts.{status.value}": step for status, step in change.by_status.items() if step}
        moved = {f"positions.{partition}": offset for partition, offset in change.positions.items()}
        unchanged = _positions(change.before, change.positions)
        if change.before.is_new:
            return await self._insert(task_id, Counts(by_status=change.by_status, positions=change.positions))
        update = {"$set": moved} | ({"$inc": added} if added else {})
        return (await self._counts.update_one({"_id": task_id, **unchanged}, update)).matched_count == 1

    def rows(self, task_id: str, page: int) -> AsyncGenerator[list[Row], None]:
        """Yield pages of a task's executions."""
        return pages(self._executions.find({"task_id": task_id}, ROW), page, row_of)

    async def replace_counts(self, task_id: str, before: Counts, after: Counts, total: int) -> bool:
        """Save the counts of a task, and its number of executions if all are there; return whether that was done."""
        if before.is_new:
            saved = await self._insert(task_id, after)
        else:
            unchanged = {"_id": task_id, "positions": _document(before)["positions"]}
            saved = (await self._counts.update_one(unchanged, {"$set": _document(after)})).matched_count == 1
        if saved:
            expanded = {"_id": task_id, "expansion.complete": True}
            await self._tasks.update_one(expanded, {"$set": {"expansion.total": total}})
        return saved

    async def end(
        self,
        task_id: str,
        before: TaskStatus,
        after: TaskStatus,
        *,
        result: TaskResult | None,
        progress: Progress,
        now: datetime,
    ) -> None:
        """End a task of a status."""
        ended = {
            "status": after.value,
            "result": result and result.value,
            "progress": fields_of(progress),
            "ended_at": now,
        }
        await self._tasks.update_one({"_id": task_id, "status": before.value}, {"$set": ended})

    async def under_way(self) -> list[str]:
        """Return the ids of all tasks that have not ended."""
        found = [self._tasks.find({"status": status.value}, {"_id": 1}) for status in UNDER_WAY]
        return list(dict.fromkeys([task["_id"] for tasks in found async for task in tasks]))

    async def _insert(self, task_id: str, counts: Counts) -> bool:
        try:
            await self._counts.insert_one({"_id": task_id, **_document(counts)})
        except DuplicateKeyError:
            return False
        return True


def row_of(document: Document) -> Row:
    """Return what is counted of an execution."""
    applied = document.get("applied")
    return Row(
        version=document["version"],
        status=ExecutionStatus(document["status"]),
        clocked="runs_at" in document,
        before=ExecutionStatus(applied["before"]) if applied else ExecutionStatus.WAITING,
        place=Place(applied["partition"], applied["offset"]) if applied else None,
    )


def _counts_of(document: Document) -> Counts:
    return Counts(
        by_status={ExecutionStatus(status): number for status, number in document["counts"].items()},
        positions={int(partition): offset for partition, offset in document["positions"].items()},
        is_new=False,
    )


def _document(counts: Counts) -> Document:
    return {
        "counts": {status.value: number for status, number in counts.by_status.items()},
        "positions": {str(partition): offset for partition, offset in counts.positions.items()},
    }


def _positions(counts: Counts, partitions: Collection[int]) -> Document:
    """Return the query for counts whose positions are still these."""
    return {f"positions.{p}": counts.positions.get(p, {"$exists": False}) for p in partitions}

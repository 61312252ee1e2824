"""What the relay does at the end of a task: tells its executions to stop, and clears away deleted ones."""

import asyncio
from datetime import datetime

from sluice_api.adapters.mongo.collections import EXECUTIONS, TASKS, Document, chunks
from sluice_api.domain.tasks import TaskStatus
from sluice_common.bus import Producer, acknowledged
from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.mongo import Database
from sluice_common.reasons import ReasonCode
from sluice_common.topics import DEVICE_EVENTS


class Stop:
    """Tells every execution of a task that has not ended to stop, page by page with a checkpoint."""

    def __init__(self, database: Database, producer: Producer, task: Document, page: int) -> None:
        self._tasks = database[TASKS]
        self._producer = producer
        self._task = task
        self._page = page
        self._reason = ReasonCode(task["stop_reason"]) if task.get("stop_reason") else None
        after = task["stop_after"] or f"{task['_id']}:"
        active = {"task_id": task["_id"], "_id": {"$gt": after, "$lt": f"{task['_id']};"}, "active": True}
        self._rows = database[EXECUTIONS].find(active, {"device_id": 1}).sort("_id", 1).batch_size(page)

    async def step(self, now: datetime) -> bool:
        """Do one page; return whether there was one."""
        rows = await self._rows.to_list(self._page)
        if not rows:
            return False
        sent = [await self._send(row, now) for row in rows]
        await acknowledged(sent)
        await self._tasks.update_one({"_id": self._task["_id"]}, {"$set": {"stop_after": rows[-1]["_id"]}})
        return True

    async def finish(self) -> None:
        """Leave the task to the rules; the projector ends it with its last execution."""
        # Not for a task that has been stopped by another relay, and deleted: its executions are to be deleted then.
        stopping = {"_id": self._task["_id"], "status": TaskStatus.STOPPING.value}
        await self._tasks.update_one(stopping, {"$unset": {"relay_at": True, "stop_after": True}})

    async def close(self) -> None:
        """Give the cursor back."""
        await self._rows.close()

    async def _send(self, row: Document, now: datetime) -> "asyncio.Future[object]":
        request = ExecutionStopRequested(
            app_id=self._task["app_id"],
            occurred_at=now,
            device_id=row["device_id"],
            execution_id=row["_id"],
            task_id=self._task["_id"],
            reason=self._reason,
        )
        return await self._producer.send(DEVICE_EVENTS, row["device_id"], request)


class Purge:
    """Deletes the executions of a deleted task; its tombstone stays."""

    def __init__(self, database: Database, producer: Producer, task: Document, page: int) -> None:  # noqa: ARG002 - as the others
        self._tasks = database[TASKS]
        self._executions = database[EXECUTIONS]
        self._task = task
        self._page = page
        self._rows = self._executions.find({"task_id": task["_id"]}, {"_id": 1}).batch_size(page)

    async def step(self, now: datetime) -> bool:  # noqa: ARG002 - as the others
        """Do one page; return whether there was one."""
        rows = await self._rows.to_list(self._page)
        for ids in chunks([row["_id"] for row in rows]):
            await self._executions.delete_many({"_id": {"$in": list(ids)}})
        return bool(rows)

    async def finish(self) -> None:
        """Keep the tombstone only."""
        await self._tasks.update_one({"_id": self._task["_id"]}, {"$unset": {"relay_at": True}})

    async def close(self) -> None:
        """Give the cursor back."""
        await self._rows.close()

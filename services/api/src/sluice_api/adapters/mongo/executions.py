"""Executions, as users ask for them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

from sluice_api.adapters.mongo.collections import EXECUTION_PAGES, EXECUTIONS, TASKS, Document
from sluice_api.adapters.mongo.outbox import also_send, no_hint
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository, page_of
from sluice_api.domain.cursors import decode_cursor, encode_cursor
from sluice_api.domain.executions import shown_at, stored_statuses
from sluice_api.domain.models import Execution, Page, Record, Task
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.ids import execution_id, split_execution_id
from sluice_common.messages import base
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.mongo import Database

_CODEC = RecordCodec(Execution, "execution_id")
_GROWTH = 8
"""How much wider each window of ids is than the one before: rows of a rare status are far apart."""


class Executions(TenantRepository[Execution, Record]):
    """The executions.

    Args:
        database: The database.
        hint: Called when a message waits for the relay.
        now: UTC time.
    """

    def __init__(
        self, database: Database, hint: Callable[[], None] = no_hint, now: Callable[[], datetime] = base.now
    ) -> None:
        super().__init__(database, EXECUTIONS, _CODEC, "execution")
        self._hint = hint
        self._pages = database[EXECUTION_PAGES]
        self._now = now

    async def find(self, app_id: str, identifier: str) -> Execution | None:
        """Return the execution unless its task is not the app's, or deleted."""
        try:
            task_id, _ = split_execution_id(identifier)
        except ValueError:
            return None
        if not await self._exists(TASKS, {"_id": task_id, "app_id": app_id}):
            return None
        found = await super().find(app_id, identifier)
        return found and shown_at(found, self._now())

    async def request_stop(self, execution_id: str, at: datetime, message: OutboxMessage) -> None:
        """Note once that an execution that has not ended shall be stopped, with its message."""
        change = also_send(at, message)
        change["$set"]["stop_requested"] = True
        wanted = {"_id": execution_id, "active": True, "stop_requested": {"$ne": True}}
        await self._documents.update_one(wanted, change)
        self._hint()

    async def of_task(
        self,
        task: Task,
        *,
        device_id: str | None,
        status: ExecutionStatus | None,
        limit: int,
        after: str | None,
    ) -> Page[Execution]:
        """Return one page of a task's executions, in order of devices."""
        task_id = task.task_id
        start = f"{task_id}:" if after is None else decode_cursor(after)
        if device_id is not None:
            found = await super().find(task.app_id, execution_id(task_id, device_id))
            return Page(self._shown([found] if found and found.execution_id > start else [], status), None)
        stored = stored_statuses(status, clock_has_run=task.runs_at <= self._now())
        rows = await self._rows(task_id, start, stored, limit + 1)
        records = self._shown([_CODEC.record(d) for d in rows[:limit]], status)
        return Page(records, encode_cursor(rows[limit - 1]["_id"]) if len(rows) > limit else None)

    async def of_device(
        self, app_id: str, device_id: str, status: ExecutionStatus | None, limit: int, after: str | None
    ) -> Page[Execution]:
        """Return one page of a device's executions, oldest task first; of some status it may be short."""
        query: Document = {"device_id": device_id, "app_id": app_id}
        if status is not None:
            query |= {"status": {"$in": [stored.value for stored in stored_statuses(status)]}}
        page = await page_of(self._documents, _CODEC, query, limit, after)
        return Page(self._shown(page.items, status), page.next)

    def _shown(self, found: Sequence[Execution], status: ExecutionStatus | None) -> list[Execution]:
        now = self._now()
        shown = [shown_at(execution, now) for execution in found]
        return [execution for execution in shown if status is None or execution.status is status]

    async def _rows(self, task_id: str, start: str, statuses: Sequence[ExecutionStatus], limit: int) -> list[Document]:
        """Return the first rows behind an id that have one of these statuses.

        Small servers read all that lies between the bounds of a query, whatever its limit: so there are bounds.
        """
        rows: list[Document] = []
        async with aclosing(self._bounds(task_id, start, limit)) as bounds:
            async for bound in bounds:
                between = {"$gt": start, "$lte": bound}
                rows += await self._between(task_id, between, statuses, limit - len(rows))
                if len(rows) >= limit:
                    break
                start = bound
        return rows

    async def _between(
        self, task_id: str, ids: Document, statuses: Sequence[ExecutionStatus], limit: int
    ) -> list[Document]:
        rows: dict[str, Document] = {}
        for status in statuses:  # in their order: one that moves on meanwhile is found again
            wanted = {"task_id": task_id, "status": status.value, "_id": ids}
            found = await self._documents.find(wanted).sort("_id", 1).limit(limit).to_list(None)
            rows |= {row["_id"]: row for row in found}
        return [rows[row_id] for row_id in sorted(rows)[:limit]]

    async def _bounds(self, task_id: str, start: str, size: int) -> AsyncGenerator[str, None]:
        """Yield ids that divide a task's executions behind one into windows: one of this size, then ever wider ones."""
        last, left = start.partition(":")[2], size
        pages = self._pages.find({"task_id": task_id, "last": {"$gt": last}}, {"device_ids": 1}).sort("last", 1)
        async with pages:
            async for page in pages:
                for device_id in page["device_ids"]:
                    if device_id <= last:
                        continue
                    left -= 1
                    if left == 0:
                        size *= _GROWTH
                        last, left = device_id, size
                        yield execution_id(task_id, device_id)
        yield f"{task_id};"

"""Tasks that are due, and what the expansion of one reads and writes."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

import msgspec
from pymongo.errors import BulkWriteError, DuplicateKeyError

from sluice_api.adapters.mongo.collections import (
    DEVICES,
    EXECUTION_PAGES,
    EXECUTIONS,
    TASKS,
    Document,
    chunks,
)
from sluice_api.adapters.mongo.outbox import messages_of
from sluice_api.adapters.mongo.pages import pages
from sluice_api.adapters.mongo.poison import DUPLICATE_KEY
from sluice_api.adapters.mongo.tasks import CODEC
from sluice_api.application.relay.records import DueTask, Member, PlannedPage
from sluice_api.domain.models import Checkpoint, Task, TaskStatus
from sluice_common.ids import execution_id
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.mongo import Database

_MAX_DUE = 10_000
"""Tasks of which some are chosen; more are seen once others are done."""
_MEMBER = {"endpoint": 1, "product_id": 1, "group_ids": 1}


class MongoTaskStore:
    """Tasks, the devices that they are for, and the executions that come of them."""

    def __init__(self, database: Database) -> None:
        self._tasks = database[TASKS]
        self._devices = database[DEVICES]
        self._executions = database[EXECUTIONS]
        self._pages = database[EXECUTION_PAGES]

    async def due_tasks(self, now: datetime, after: str, limit: int) -> list[DueTask]:
        """Return tasks that the relay has to look at now, in the order of ids: those behind one, else the first."""
        due = self._tasks.find({"relay_at": {"$lte": now}}, {"_id": 1}).limit(_MAX_DUE)
        ids = sorted([document["_id"] async for document in due])
        chosen = ([task_id for task_id in ids if task_id > after] or ids)[:limit]
        found = {d["_id"]: d async for d in self._tasks.find({"_id": {"$in": chosen}})} if chosen else {}
        return [_due_task(found[task_id]) for task_id in chosen if task_id in found]

    async def begin_expansion(self, task_id: str) -> None:
        """Let a scheduled task expand."""
        scheduled = {"_id": task_id, "status": TaskStatus.SCHEDULED.value}
        await self._tasks.update_one(scheduled, {"$set": {"status": TaskStatus.EXPANDING.value}})

    def members_of_group(
        self, app_id: str, group_id: str, *, after: str, before: str, page: int
    ) -> AsyncGenerator[list[Member], None]:
        """Yield pages of a group's devices in the order of ids, between two ids.

        One cursor streams them: paging by query would cost small servers all of the remaining range per page.
        """
        wanted = {"app_id": app_id, "group_ids": group_id, "_id": {"$gt": after, "$lt": before}}
        return pages(self._devices.find(wanted, _MEMBER).sort("_id", 1), page, _member)

    async def members(self, device_ids: Sequence[str]) -> list[Member]:
        """Return those devices that exist."""
        found: list[Member] = []
        for ids in chunks(device_ids):
            devices = await self._devices.find({"_id": {"$in": list(ids)}}, _MEMBER).to_list(None)
            found += map(_member, devices)
        return found

    async def add_page(self, task_id: str, number: int, page: PlannedPage) -> bool:
        """Store what a page is to have; return False if another relay has stored one of that number."""
        device_ids = [m.device_id for m in page.members]
        document = {"task_id": task_id, "group": page.group, "after": page.after, "last": device_ids[-1]}
        try:
            await self._pages.insert_one({"_id": _page_id(task_id, number), **document, "device_ids": device_ids})
        except DuplicateKeyError:
            return False
        return True

    async def planned_page(self, task_id: str, number: int) -> PlannedPage | None:
        """Return a stored page with the devices that still exist or have their execution, None if there is none."""
        found = await self._pages.find_one({"_id": _page_id(task_id, number)})
        if found is None:
            return None
        members = {m.device_id: m for m in await self.members(found["device_ids"])}
        gone = [execution_id(task_id, i) for i in found["device_ids"] if i not in members]
        for ids in chunks(gone):
            rows = await self._executions.find({"_id": {"$in": list(ids)}}, _MEMBER | {"device_id": 1}).to_list(None)
            members |= {d["device_id"]: _member(d | {"_id": d["device_id"]}) for d in rows}
        return PlannedPage(group=found["group"], after=found["after"], members=[members[i] for i in sorted(members)])

    async def insert_executions(self, task: Task, number: int, members: Sequence[Member]) -> Sequence[Member]:
        """Insert the executions of a page, those that are there stay as they are; return the members of this page."""
        if not members:
            return members
        try:
            await self._executions.insert_many([_execution(task, number, m) for m in members], ordered=False)
        except BulkWriteError as error:
            errors = error.details["writeErrors"]
            if any(e["code"] != DUPLICATE_KEY for e in errors):
                raise
            # Executions that are there already: of a device in two groups, or of this page before a restart.
            known = [execution_id(task.task_id, members[e["index"]].device_id) for e in errors]
            others = await self._of_other_pages(known, number)
            return [m for m in members if m.device_id not in others]
        return members

    async def _of_other_pages(self, execution_ids: Sequence[str], number: int) -> set[str]:
        """Return the devices of those executions that another page has made."""
        others: set[str] = set()
        for ids in chunks(execution_ids):
            async for row in self._executions.find({"_id": {"$in": list(ids)}}, {"device_id": 1, "page": 1}):
                if row.get("page") != number:
                    others.add(row["device_id"])
        return others

    async def count_executions(self, task_id: str, before: int) -> int:
        """Return how many executions the pages before one have."""
        return await self._executions.count_documents({"task_id": task_id, "page": {"$lt": before}})

    async def save_checkpoint(self, task_id: str, page: int, checkpoint: Checkpoint) -> bool:
        """Save the checkpoint behind a page; return whether the one before it was still there."""
        before = {"_id": task_id, "expansion.page": page}
        saved = await self._tasks.update_one(before, {"$set": {"expansion": msgspec.structs.asdict(checkpoint)}})
        return saved.matched_count == 1

    async def finish_expansion(self, task_id: str) -> None:
        """Let a task run whose executions are all there, unless it is being stopped."""
        await self._tasks.update_one(
            {"_id": task_id, "status": TaskStatus.EXPANDING.value},
            {"$set": {"status": TaskStatus.RUNNING.value, "expansion.complete": True}, "$unset": {"relay_at": True}},
        )

    async def complete_expansion(self, task_id: str) -> None:
        """Mark the executions of a task that is being stopped as complete."""
        await self._tasks.update_one({"_id": task_id}, {"$set": {"expansion.complete": True}})


def _due_task(document: Document) -> DueTask:
    """Return a task; one that cannot be read says so, and keeps no other from being read."""
    try:
        task = None if "deleted_at" in document else CODEC.record(document)
        return DueTask(id=document["_id"], outbox=messages_of(document), task=task)
    except msgspec.ValidationError as error:
        return DueTask(id=document["_id"], task=None, unreadable=str(error))


def _member(document: Document) -> Member:
    return Member(
        device_id=document["_id"],
        product_id=document["product_id"],
        endpoint=document["endpoint"],
        group_ids=document["group_ids"],
    )


def _page_id(task_id: str, number: int) -> str:
    return f"{task_id}:{number}"


def _execution(task: Task, page: int, member: Member) -> Document:
    return {
        "_id": execution_id(task.task_id, member.device_id),
        "app_id": task.app_id,
        "task_id": task.task_id,
        "page": page,
        "device_id": member.device_id,
        "endpoint": member.endpoint,
        "product_id": member.product_id,
        "group_ids": member.group_ids,
        "active": True,
        "version": -1,
        "status": ExecutionStatus.WAITING.value,
        "step": Step.WAITING.value,
        "attempt": 1,
        "max_retries": task.policy.max_retries,
        "target_version": task.package.version,
        "created_at": task.begins_at,
        "runs_at": task.runs_at,
        "history": [],
    }

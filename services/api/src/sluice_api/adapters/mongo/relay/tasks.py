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

_MEMBER = {"endpoint": 1, "product_id": 1, "group_ids": 1}


class MongoTaskStore:
    """Tasks, the devices that they are for, and the executions that come of them."""

    def __init__(self, database: Database) -> None:
        self._tasks = database[TASKS]
        self._devices = database[DEVICES]
        self._executions = database[EXECUTIONS]
        self._pages = database[EXECUTION_PAGES]

    async def due_ids(self, now: datetime, *, stops: bool, limit: int) -> list[str]:
        """Return the ids of tasks that the relay has to look at, the oldest first: all, or those being stopped."""
        state = {"status": TaskStatus.STOPPING.value} if stops else {}
        due = self._tasks.find({**state, "relay_at": {"$lte": now}}, {"_id": 1}).sort("relay_at", 1).limit(limit)
        return [document["_id"] async for document in due]

    async def postpone(self, task_ids: Sequence[str], now: datetime) -> None:
        """Put those of the tasks that are due behind all others that are."""
        for ids in chunks(task_ids):
            due = {"_id": {"$in": list(ids)}, "relay_at": {"$lte": now}}
            await self._tasks.update_many(due, {"$set": {"relay_at": now}})

    async def due_task(self, task_id: str, now: datetime) -> DueTask | None:
        """Return a task as it is now, None if the relay has not to look at it any more."""
        found = await self._tasks.find_one({"_id": task_id, "relay_at": {"$lte": now}})
        return None if found is None else _due_task(found)

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

    def devices_of_task(
        self, task_id: str, status: ExecutionStatus, *, after: str, page: int
    ) -> AsyncGenerator[list[str], None]:
        """Yield pages of the devices whose executions of a task have a status, in the order of ids, behind one."""
        ids = {"$gt": execution_id(task_id, after), "$lt": f"{task_id};"}
        rows = self._executions.find({"task_id": task_id, "status": status.value, "_id": ids}, {"device_id": 1})
        return pages(rows.sort("_id", 1), page, lambda row: str(row["device_id"]))

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

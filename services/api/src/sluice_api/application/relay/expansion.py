"""From a task to its executions, page by page, in constant memory and safe against ending at any point.

The executions' own rows are the frozen membership: a row is inserted before its device is told of, and stopping and
counting walk the rows. A page is: read devices, insert rows, publish one `ExecutionRequested` per row, wait until
Kafka has them all, write the checkpoint. Whoever goes on after an end in mid-page first publishes the rows that this
page had got already, then reads on behind the checkpoint; ids are deterministic, so that what is done twice changes
nothing.

Snapshot rule: devices of a group count that were created before the task (ids sort by time) and are in the group when
their page is read. One cursor per group streams them in the order of ids: paging by query would cost small servers
all of the remaining range per page.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

import msgspec
from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import DEVICES, EXECUTIONS, TASKS, Document, chunks
from sluice_api.domain.tasks import TaskStatus, product_for, upgrade_policy
from sluice_common.bus import Producer, acknowledged
from sluice_common.ids import execution_id
from sluice_common.messages.device_events import ExecutionRequested
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot
from sluice_common.mongo import Database
from sluice_common.topics import DEVICE_EVENTS

_DUPLICATE_KEY = 11_000
_DEVICE = {"endpoint": 1, "product_id": 1, "group_ids": 1}
_ROW = {"device_id": 1, "product_id": 1}


class OvertakenError(Exception):
    """Another relay has moved the checkpoint: it works on this task."""


class Expansion:
    """The expansion of one task.

    Args:
        database: The database.
        producer: To Kafka.
        task: The task as stored.
        page: Devices of a page.
    """

    def __init__(self, database: Database, producer: Producer, task: Document, page: int) -> None:
        self._tasks = database[TASKS]
        self._devices = database[DEVICES]
        self._executions = database[EXECUTIONS]
        self._producer = producer
        self._task = task
        self._page = page
        self._product = msgspec.convert(task["product"], ProductSnapshot)
        self._package = msgspec.convert(task["package"], PackageSnapshot)
        self._policy = upgrade_policy(task["policy"])
        # A task for later begins then, not when it was asked for.
        self._begins_at: datetime = max(task["created_at"], task["policy"].get("start_at") or task["created_at"])
        self._at: Document = task["expansion"]
        self._pages = self._read()
        self._resumed = False

    async def step(self, now: datetime) -> bool:
        """Do one page; return whether there was one.

        Raises:
            OvertakenError: Another relay works on the task.
        """
        if not self._resumed:
            self._resumed = True
            await self._begin()
            await self._publish(await self._unpublished(), now)
        page = await anext(self._pages, None)
        if page is None:
            return False
        group, after, devices = page
        rows = [self._row(device) for device in devices]
        await self._insert(rows)
        await self._publish(rows, now)
        await self._save({"page": self._at["page"] + 1, "group": group, "after": after, "complete": False})
        return True

    async def finish(self) -> None:
        """Let the task run: all its executions are there. One that is being stopped stays so."""
        await self._tasks.update_one(
            {"_id": self._task["_id"], "status": TaskStatus.EXPANDING.value},
            {"$set": {"status": TaskStatus.RUNNING.value, "expansion.complete": True}, "$unset": {"relay_at": True}},
        )

    async def close(self) -> None:
        """Give the cursor back."""
        await self._pages.aclose()

    async def _begin(self) -> None:
        scheduled = {"_id": self._task["_id"], "status": TaskStatus.SCHEDULED.value}
        await self._tasks.update_one(scheduled, {"$set": {"status": TaskStatus.EXPANDING.value}})

    async def _unpublished(self) -> list[Document]:
        """Return rows that were inserted but perhaps not published: those of the page that follows the checkpoint."""
        inserted = {"task_id": self._task["_id"], "page": self._at["page"]}
        return await self._executions.find(inserted, _ROW).to_list(None)

    async def _read(self) -> AsyncGenerator[tuple[int, str, list[Document]], None]:
        """Yield pages of devices, each with its group's number and its last id."""
        targets, start, last = self._task["targets"], self._at["group"], self._at["after"]
        if "device_ids" in targets:
            for ids in chunks([i for i in targets["device_ids"] if i > last], self._page):
                yield 0, ids[-1], await self._named(ids)
            return
        for group, group_id in list(enumerate(targets["group_ids"]))[start:]:
            after = last if group == start else ""
            wanted = {
                "app_id": self._task["app_id"],
                "group_ids": group_id,
                "_id": {"$gt": after, "$lt": self._created_before()},
            }
            cursor = self._devices.find(wanted, _DEVICE).sort("_id", 1).batch_size(self._page)
            while devices := await cursor.to_list(self._page):
                yield group, devices[-1]["_id"], devices

    def _created_before(self) -> str:
        """Return the least id that a device has which was created after the task."""
        return f"{int(self._begins_at.timestamp()) + 1:08x}"

    async def _named(self, device_ids: Sequence[str]) -> list[Document]:
        devices: list[Document] = []
        for ids in chunks(device_ids):
            devices += await self._devices.find({"_id": {"$in": list(ids)}}, _DEVICE).to_list(None)
        return devices

    def _row(self, device: Document) -> Document:
        return {
            "_id": execution_id(self._task["_id"], device["_id"]),
            "app_id": self._task["app_id"],
            "task_id": self._task["_id"],
            "page": self._at["page"],
            "device_id": device["_id"],
            "endpoint": device["endpoint"],
            "product_id": device["product_id"],
            "group_ids": device["group_ids"],
            "active": True,
            "version": -1,
            "status": ExecutionStatus.WAITING.value,
            "step": Step.WAITING.value,
            "attempt": 0,
            "max_retries": self._policy.max_retries,
            "target_version": self._package.version,
            "created_at": self._begins_at,
            "history": [],
        }

    async def _insert(self, rows: Sequence[Document]) -> None:
        if not rows:
            return
        try:
            await self._executions.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            # Rows that are there already: of a device in two groups, or of this page before an end.
            if any(e["code"] != _DUPLICATE_KEY for e in error.details["writeErrors"]):
                raise

    async def _publish(self, rows: Sequence[Document], now: datetime) -> None:
        sent = [
            await self._producer.send(
                DEVICE_EVENTS,
                row["device_id"],
                ExecutionRequested(
                    app_id=self._task["app_id"],
                    occurred_at=now,
                    device_id=row["device_id"],
                    execution_id=row["_id"],
                    task_id=self._task["_id"],
                    product=product_for(row["product_id"], self._product),
                    package=self._package,
                    policy=self._policy,
                    created_at=self._begins_at,
                ),
            )
            for row in rows
        ]
        await acknowledged(sent)

    async def _save(self, checkpoint: Document) -> None:
        mine = {"_id": self._task["_id"], "expansion.page": self._at["page"]}
        if not (await self._tasks.update_one(mine, {"$set": {"expansion": checkpoint}})).matched_count:
            raise OvertakenError(self._task["_id"])
        self._at = checkpoint


class LastPage(Expansion):
    """The end of the expansion of a task that was stopped meanwhile: no device joins any more.

    A page that was begun is published, so that the rules know every execution that is then told to stop.
    """

    async def step(self, now: datetime) -> bool:
        """Publish what was left behind; there is no further page."""
        await self._publish(await self._unpublished(), now)
        return False

    async def finish(self) -> None:
        """Mark the executions as complete; stopping follows."""
        await self._tasks.update_one({"_id": self._task["_id"]}, {"$set": {"expansion.complete": True}})

"""Executions, device commands and devices as the projector writes them: in bulk, guarded by version."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pymongo import InsertOne

from sluice_api.adapters.mongo.collections import COMMANDS, DEVICE_STATES, DEVICES, EXECUTIONS, TASKS, Document, chunks
from sluice_api.adapters.mongo.poison import content_errors_as_poison
from sluice_api.adapters.mongo.projector.snapshots import command_fields, device_fields, execution_fields
from sluice_api.adapters.mongo.task_progress import ROW, MongoProgressStore, row_of
from sluice_api.adapters.mongo.updates import MAX_EACH, each_of, newer_of
from sluice_api.application.counting import CountChange, Counts, Row, RowWrite
from sluice_api.application.projector.news import DeviceNews
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged
from sluice_common.mongo import Database

_MAX_WRITES = 200
"""Writes of one bulk, which a busy server answers in time."""
_OF_DEVICE = ("endpoint", "product_id", "group_ids")
_OF_REQUEST = ("target_version", "max_retries", "created_at")


class MongoProjectionStore:
    """What users query of the scheduler's and the gateways' decisions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._progress = MongoProgressStore(database)

    async def rows(self, execution_ids: Sequence[str]) -> dict[str, Row]:
        """Return what is stored of executions, by id."""
        found: dict[str, Row] = {}
        for ids in chunks(execution_ids):
            async for document in self._database[EXECUTIONS].find({"_id": {"$in": list(ids)}}, ROW):
                found[document["_id"]] = row_of(document)
        return found

    async def counts(self, task_ids: Collection[str]) -> dict[str, Counts]:
        """Return the counts of those tasks that have some."""
        return await self._progress.counts(task_ids)

    async def update_executions(self, writes: Sequence[RowWrite]) -> None:
        """Write snapshots over older ones."""
        await self._update_each(EXECUTIONS, {w.snapshot.execution_id: _changed(w) for w in writes})

    async def change_counts(self, task_id: str, change: CountChange) -> bool:
        """Change the counts of a task; return False if they are not any more those that were read."""
        return await self._progress.change_counts(task_id, change)

    async def apps_of_tasks(self, task_ids: Collection[str]) -> dict[str, str]:
        """Return the apps of those tasks that exist and are not deleted."""
        apps: dict[str, str] = {}
        for ids in chunks(sorted(task_ids)):
            found = self._database[TASKS].find({"_id": {"$in": list(ids)}}, {"app_id": 1})
            apps |= {d["_id"]: d["app_id"] async for d in found if "app_id" in d}
        return apps

    async def insert_executions(self, writes: Sequence[RowWrite]) -> None:
        """Insert executions that are missing, as their snapshots have them."""
        for some in chunks(writes, _MAX_WRITES):
            devices = await self._devices({write.snapshot.device_id for write in some})
            rows = [InsertOne(_row(write, devices.get(write.snapshot.device_id, {}))) for write in some]
            with content_errors_as_poison():
                await self._database[EXECUTIONS].bulk_write(rows, ordered=False)

    async def update_steps(self, snapshots: Collection[ExecutionChanged]) -> None:
        """Write snapshots of executions that have not ended over older ones."""
        await self._update_each(EXECUTIONS, {s.execution_id: execution_fields(s) for s in snapshots})

    async def update_commands(self, snapshots: Collection[DeviceCommandChanged]) -> None:
        """Write snapshots over older ones."""
        await self._update_each(COMMANDS, {s.command_id: command_fields(s) for s in snapshots})

    async def update_devices(self, news: Mapping[str, DeviceNews]) -> None:
        """Write what is new of devices, by device."""
        for ids in chunks(list(news), MAX_EACH):
            changes = {device_id: device_fields(news[device_id]) for device_id in ids}
            with content_errors_as_poison():
                await self._write_states(changes)
        for registered in (True, False):
            changed = [device_id for device_id, of_device in news.items() if of_device.registered is registered]
            for ids in chunks(changed):
                wanted = {"_id": {"$in": list(ids)}, "registered": {"$ne": registered}}
                await self._database[DEVICES].update_many(wanted, {"$set": {"registered": registered}})

    async def mark_seen(self, device_ids: Sequence[str], at: datetime) -> None:
        """Write that registered devices have spoken, with one command for many."""
        for ids in chunks(device_ids):
            await self._database[DEVICE_STATES].update_many(
                {"_id": {"$in": list(ids)}, "registration.last_seen": {"$lt": at}},
                {"$set": {"registration.last_seen": at}},
            )

    async def _write_states(self, changes: Mapping[str, Document]) -> None:
        """Set fields of states; make those of devices that have reported nothing yet."""
        states, ids = self._database[DEVICE_STATES], list(changes)
        updated = await states.update_many({"_id": {"$in": ids}}, each_of(changes))
        if updated.matched_count == len(ids):
            return
        known = {d["_id"] async for d in states.find({"_id": {"$in": ids}}, {"_id": 1})}
        missing = [device_id for device_id in ids if device_id not in known]
        devices = self._database[DEVICES].find({"_id": {"$in": missing}}, {"_id": 1})
        if made := [{"_id": d["_id"], **changes[d["_id"]]} async for d in devices]:
            # The other group of the projector may make one at the same moment: then this batch comes again.
            await states.insert_many(made, ordered=False)

    async def _devices(self, device_ids: Collection[str]) -> dict[str, Document]:
        """Return what executions have of their devices, by device."""
        found: dict[str, Document] = {}
        for ids in chunks(sorted(device_ids)):
            wanted = {"_id": {"$in": list(ids)}}
            async for document in self._database[DEVICES].find(wanted, dict.fromkeys(_OF_DEVICE, 1)):
                found[document["_id"]] = document
        return found

    async def _update_each(self, collection: str, changes: Mapping[str, Document]) -> None:
        """Set fields of many documents, of each its own, unless it has a newer version."""
        for ids in chunks(list(changes), MAX_EACH):
            with content_errors_as_poison():
                await self._database[collection].update_many(
                    {"_id": {"$in": list(ids)}}, newer_of({i: changes[i] for i in ids})
                )


def _row(write: RowWrite, device: Document) -> Document:
    snapshot = write.snapshot
    return {
        "_id": snapshot.execution_id,
        "app_id": snapshot.app_id,
        "task_id": snapshot.task_id,
        "device_id": snapshot.device_id,
        "endpoint": device.get("endpoint", ""),
        "product_id": device.get("product_id", ""),
        "group_ids": device.get("group_ids", []),
    } | _fields(write)


def _changed(write: RowWrite) -> Document:
    """Return what a row takes over: of one that was stopped before the scheduler heard of it, no more than its end."""
    fields = _fields(write)
    return fields if write.snapshot.target_version else {n: fields[n] for n in fields if n not in _OF_REQUEST}


def _fields(write: RowWrite) -> Document:
    applied = {"before": write.before.value, "partition": write.place.partition, "offset": write.place.offset}
    return execution_fields(write.snapshot) | {"applied": applied}

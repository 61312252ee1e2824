"""Executions, device commands and devices as the projector writes them: in bulk, guarded by version."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pymongo import InsertOne, UpdateOne

from sluice_api.adapters.mongo.collections import COMMANDS, DEVICES, EXECUTIONS, TASKS, Document, chunks
from sluice_api.adapters.mongo.poison import content_errors_as_poison
from sluice_api.adapters.mongo.projector.snapshots import command_fields, device_fields, execution_fields
from sluice_api.application.projector.news import DeviceNews
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged
from sluice_common.mongo import Database

_MAX_WRITES = 200
"""Writes of one bulk, which a busy server answers in time."""


class MongoProjectionStore:
    """What users query of the scheduler's and the gateways' decisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update_executions(self, snapshots: Collection[ExecutionChanged]) -> int:
        """Write snapshots over older ones; return how many there were."""
        return await self._bulk_write(
            EXECUTIONS, [_update(s.execution_id, s.version, execution_fields(s)) for s in snapshots]
        )

    async def existing_executions(self, execution_ids: Sequence[str]) -> set[str]:
        """Return those ids that executions have."""
        known: set[str] = set()
        for ids in chunks(execution_ids):
            found = self._database[EXECUTIONS].find({"_id": {"$in": list(ids)}}, {"_id": 1})
            known |= {d["_id"] async for d in found}
        return known

    async def apps_of_tasks(self, task_ids: Collection[str]) -> dict[str, str]:
        """Return the apps of those tasks that exist and are not deleted."""
        apps: dict[str, str] = {}
        for ids in chunks(sorted(task_ids)):
            found = self._database[TASKS].find({"_id": {"$in": list(ids)}}, {"app_id": 1})
            apps |= {d["_id"]: d["app_id"] async for d in found if "app_id" in d}
        return apps

    async def insert_executions(self, snapshots: Collection[ExecutionChanged]) -> None:
        """Insert executions that are missing, as their snapshots have them."""
        await self._bulk_write(EXECUTIONS, [InsertOne(await self._row(s)) for s in snapshots])

    async def update_commands(self, snapshots: Collection[DeviceCommandChanged]) -> None:
        """Write snapshots over older ones."""
        await self._bulk_write(COMMANDS, [_update(s.command_id, s.version, command_fields(s)) for s in snapshots])

    async def update_devices(self, news: Mapping[str, DeviceNews]) -> None:
        """Write what is new of devices, by device."""
        updates = [UpdateOne({"_id": device_id}, {"$set": device_fields(new)}) for device_id, new in news.items()]
        await self._bulk_write(DEVICES, updates)

    async def mark_seen(self, device_ids: Sequence[str], at: datetime) -> None:
        """Write that registered devices have spoken, with one command for many."""
        for ids in chunks(device_ids):
            await self._database[DEVICES].update_many(
                {"_id": {"$in": list(ids)}, "registration.last_seen": {"$lt": at}},
                {"$set": {"registration.last_seen": at}},
            )

    async def _row(self, snapshot: ExecutionChanged) -> Document:
        device = await self._database[DEVICES].find_one({"_id": snapshot.device_id}) or {}
        return {
            "_id": snapshot.execution_id,
            "app_id": snapshot.app_id,
            "task_id": snapshot.task_id,
            "device_id": snapshot.device_id,
            "endpoint": device.get("endpoint", ""),
            "product_id": device.get("product_id", ""),
            "group_ids": device.get("group_ids", []),
        } | execution_fields(snapshot)

    async def _bulk_write(self, collection: str, writes: Sequence[UpdateOne | InsertOne[Document]]) -> int:
        """Write; return how many documents the updates matched."""
        matched = 0
        for some in chunks(writes, _MAX_WRITES):
            with content_errors_as_poison():
                result = await self._database[collection].bulk_write(list(some), ordered=False)
            matched += result.matched_count
        return matched


def _update(identifier: str, version: int, fields: Document) -> UpdateOne:
    return UpdateOne({"_id": identifier, "version": {"$lt": version}}, {"$set": fields})

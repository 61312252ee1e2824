"""Kafka to MongoDB: what the scheduler, the gateways and signing decided, as users can query it.

Every batch is reduced to the newest snapshot of each execution, command and device, and written in bulk, guarded by
version: batches may come again. Executions are updated, not inserted: the relay has made their rows, so that nothing
brings back the executions of a deleted task. A row that is missing although its task is there (a database that was
restored) is made again from the snapshot.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from pymongo import InsertOne, UpdateOne

from sluice_api.adapters.mongo.collections import COMMANDS, DEVICES, EXECUTIONS, TASKS, Document, chunks
from sluice_api.adapters.mongo.projector.snapshots import command_fields, execution_fields, newest, registration_fields
from sluice_api.application.projector.verification import Verification
from sluice_common.bus import Received
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged
from sluice_common.messages.registrations import Registration
from sluice_common.mongo import Database

_log = structlog.get_logger()
_MAX_WRITES = 200
_REMEMBERED = 100_000
"""Devices of which is remembered what was written last."""
_LAGS = ("last_seen", "expires_at")
"""Fields of a registration that change with every update; they alone are not worth a write each time."""


class Projection:
    """Writes batches.

    Args:
        database: The database.
        last_seen_interval: Seconds by which a device's last-seen may lag.
    """

    def __init__(self, database: Database, last_seen_interval: float) -> None:
        self._database = database
        self._executions = database[EXECUTIONS]
        self._lag = timedelta(seconds=last_seen_interval)
        self._verification = Verification(database)
        self._written: dict[str, Document] = {}
        self.changed_tasks: set[str] = set()
        """Tasks with changed executions; whoever counts them takes them out."""

    async def write(self, batch: Sequence[Received]) -> None:
        """Write a batch."""
        messages = [received.message for received in batch]
        executions = newest([m for m in messages if isinstance(m, ExecutionChanged)], lambda s: s.execution_id)
        commands = newest([m for m in messages if isinstance(m, DeviceCommandChanged)], lambda s: s.command_id)
        registrations = {m.device_id: m for m in messages if isinstance(m, Registration)}
        if executions:
            await self._write_executions(executions)
        if commands:
            await self._write_commands(commands)
        if executions or registrations:
            await self._write_devices(executions, registrations)
        for message in messages:
            await self._verification.take(message)

    async def _write_executions(self, executions: Mapping[str, ExecutionChanged]) -> None:
        updates = [
            UpdateOne({"_id": key, "version": {"$lt": s.version}}, {"$set": execution_fields(s)})
            for key, s in executions.items()
        ]
        if await self._bulk_write(EXECUTIONS, updates) < len(updates):
            await self._restore(executions)
        self.changed_tasks |= {s.task_id for s in executions.values()}

    async def _restore(self, executions: Mapping[str, ExecutionChanged]) -> None:
        """Insert rows that are missing although their task is there."""
        known: set[str] = set()
        for ids in chunks(list(executions)):
            known |= {d["_id"] async for d in self._executions.find({"_id": {"$in": list(ids)}}, {"_id": 1})}
        missing = [s for key, s in executions.items() if key not in known]
        tasks = await self._live_tasks({s.task_id for s in missing})
        rows = [InsertOne(await self._row(s)) for s in missing if tasks.get(s.task_id) == s.app_id]
        if len(rows) < len(missing):
            _log.info("snapshots_of_deleted_tasks", count=len(missing) - len(rows))
        await self._bulk_write(EXECUTIONS, rows)

    async def _live_tasks(self, task_ids: set[str]) -> dict[str, str]:
        """Return the apps of those tasks that exist and are not deleted."""
        apps: dict[str, str] = {}
        for ids in chunks(sorted(task_ids)):
            found = self._database[TASKS].find({"_id": {"$in": list(ids)}}, {"app_id": 1})
            apps |= {d["_id"]: d["app_id"] async for d in found if "app_id" in d}
        return apps

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

    async def _write_commands(self, commands: Mapping[str, DeviceCommandChanged]) -> None:
        updates = [
            UpdateOne({"_id": key, "version": {"$lt": s.version}}, {"$set": command_fields(s)})
            for key, s in commands.items()
        ]
        await self._bulk_write(COMMANDS, updates)

    async def _bulk_write(self, collection: str, writes: Sequence[UpdateOne | InsertOne[Document]]) -> int:
        """Write in pieces that a busy server answers in time; return how many documents the updates matched."""
        matched = 0
        for some in chunks(writes, _MAX_WRITES):
            result = await self._database[collection].bulk_write(list(some), ordered=False)
            matched += result.matched_count
        return matched

    async def _write_devices(
        self, executions: Mapping[str, ExecutionChanged], registrations: Mapping[str, Registration]
    ) -> None:
        changes: dict[str, dict[str, Any]] = {}
        for snapshot in executions.values():
            if snapshot.reported_version is not None:
                changes.setdefault(snapshot.device_id, {})["firmware_version"] = snapshot.reported_version
        for device_id, registration in registrations.items():
            changes.setdefault(device_id, {})["registration"] = registration_fields(registration)
        news = {device_id: new for device_id, change in changes.items() if (new := self._news(device_id, change))}
        updates = [UpdateOne({"_id": device_id}, {"$set": new}) for device_id, new in news.items()]
        await self._bulk_write(DEVICES, updates)
        self._remember(news)

    def _news(self, device_id: str, change: Document) -> Document:
        """Return the part of a change that is worth a write."""
        before = self._written.get(device_id, {})
        return {
            name: value
            for name, value in change.items()
            if before.get(name) != value
            and not (name == "registration" and name in before and self._only_lags(before[name], value))
        }

    def _only_lags(self, before: Document, after: Document) -> bool:
        core = [{k: v for k, v in registration.items() if k not in _LAGS} for registration in (before, after)]
        seen: datetime = after["last_seen"]
        return core[0] == core[1] and seen - before["last_seen"] < self._lag

    def _remember(self, news: Mapping[str, Document]) -> None:
        if len(self._written) + len(news) > _REMEMBERED:
            self._written.clear()
        for device_id, new in news.items():
            self._written[device_id] = self._written.get(device_id, {}) | new

"""What devices are busy with: the courtesy check of D08 before a task or a command is created.

The scheduler owns "one active execution per device"; who slips through here ends FAILED there. Executions and open
commands carry the groups of their device, in small indexes of the active ones only, so that the check costs what it
finds and not the size of the group. A task whose executions are not all there yet counts with its targets.
"""

from collections.abc import Iterable, Sequence

import msgspec

from sluice_api.adapters.mongo.collections import COMMANDS, DEVICES, EXECUTIONS, TASKS, Document, chunks
from sluice_api.domain.errors import MAX_NAMED, ConflictError, NamedDevice
from sluice_api.domain.models import Targets, TaskStatus
from sluice_common.mongo import Database

_ACTIVE, _PENDING, _TASK = "active_execution", "pending_command", "targeted_by_task"


class DeviceConflicts:
    """Finds target devices that are busy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require_free(self, app_id: str, targets: Targets) -> None:
        """Check the targets of a new task.

        Raises:
            ConflictError: It names at most `MAX_NAMED` devices.
        """
        # In this order: a task that has just stopped expanding has all its executions.
        busy = await self._to_be_active(app_id, targets) or await self._active(app_id, targets)
        if busy:
            raise devices_busy(busy)

    async def require_idle(self, app_id: str, device_id: str) -> None:
        """Check that a device has no active execution, before it gets a command.

        Raises:
            ConflictError: It has.
        """
        busy = await self._to_be_active(app_id, Targets(device_ids=(device_id,)))
        busy += [_named(d, _ACTIVE) for d in await self._of_devices(EXECUTIONS, "active", [device_id])]
        if busy:
            raise devices_busy(busy)

    async def _active(self, app_id: str, targets: Targets) -> list[NamedDevice]:
        busy: list[NamedDevice] = []
        for collection, flag, why in ((EXECUTIONS, "active", _ACTIVE), (COMMANDS, "open", _PENDING)):
            if targets.group_ids is not None:
                found = await self._of_groups(collection, flag, app_id, targets.group_ids)
            else:
                found = await self._of_devices(collection, flag, targets.device_ids or ())
            busy += [_named(d, why) for d in found]
        return busy

    async def _of_groups(self, collection: str, flag: str, app_id: str, group_ids: Iterable[str]) -> list[Document]:
        for group_id in group_ids:
            wanted = {"app_id": app_id, "group_ids": group_id, flag: True}
            found = await self._database[collection].find(wanted, {"device_id": 1}).limit(MAX_NAMED).to_list(None)
            if found:
                return found
        return []

    async def _of_devices(self, collection: str, flag: str, device_ids: Sequence[str]) -> list[Document]:
        for ids in chunks(device_ids):
            wanted = {"device_id": {"$in": list(ids)}, flag: True}
            found = await self._database[collection].find(wanted, {"device_id": 1}).limit(MAX_NAMED).to_list(None)
            if found:
                return found
        return []

    async def _to_be_active(self, app_id: str, targets: Targets) -> list[NamedDevice]:
        expanding = {"app_id": app_id, "status": TaskStatus.EXPANDING.value}
        async for task in self._database[TASKS].find(expanding, {"targets": 1}):
            other = msgspec.convert(task["targets"], Targets)
            if shared := await self._shared(app_id, targets, other):
                return [NamedDevice(i, _TASK, task_id=task["_id"]) for i in shared]
        return []

    async def _shared(self, app_id: str, one: Targets, other: Targets) -> list[str]:
        """Return devices that both targets have, at most `MAX_NAMED` if both list theirs."""
        if one.device_ids is not None and other.device_ids is not None:
            return sorted({*one.device_ids} & {*other.device_ids})[:MAX_NAMED]
        if one.device_ids is not None:
            return await self._members(one.device_ids, {*(other.group_ids or ())})
        if other.device_ids is not None:
            return await self._members(other.device_ids, {*(one.group_ids or ())})
        return await self._of_both(app_id, {*(one.group_ids or ())}, {*(other.group_ids or ())})

    async def _of_both(self, app_id: str, one: set[str], other: set[str]) -> list[str]:
        """Return devices that are in a group of each: a query for each group of the shorter list, not for each pair."""
        few, many = sorted((one - other, other - one), key=len)
        queries: list[Document] = [{"group_ids": group_id} for group_id in sorted(one & other)]
        # Once these have been asked, nobody is in a group that both have.
        queries += [{"group_ids": group_id, **_in_any(many)} for group_id in sorted(few)]
        for query in queries:
            devices = self._database[DEVICES].find({"app_id": app_id, **query}, {"_id": 1})
            if found := await devices.limit(MAX_NAMED).to_list(None):
                return [d["_id"] for d in found]
        return []

    async def _members(self, device_ids: Sequence[str], group_ids: set[str]) -> list[str]:
        for ids in chunks(device_ids):
            found = self._database[DEVICES].find({"_id": {"$in": list(ids)}}, {"group_ids": 1})
            members = [d["_id"] async for d in found if group_ids & set(d["group_ids"])]
            if members:
                return members
        return []


def devices_busy(devices: Sequence[NamedDevice]) -> ConflictError:
    """Return the error that names busy devices."""
    detail = "Devices have a pending command or an active upgrade; wait for its end, or cancel or stop it."
    return ConflictError("devices_busy", detail, devices=devices)


def _named(found: Document, why: str) -> NamedDevice:
    if why == _PENDING:
        return NamedDevice(found["device_id"], why, command_id=found["_id"])
    return NamedDevice(found["device_id"], why, task_id=found["_id"].partition(":")[0])


def _in_any(group_ids: set[str]) -> Document:
    """Return the condition of being in one of some groups, for devices that another one finds by its index."""
    return {"$and": [{"group_ids": {"$in": sorted(group_ids)}}]}

"""Deletions of devices, and what is left of these."""

from collections.abc import Sequence
from datetime import datetime

from sluice_api.adapters.mongo.collections import COMMANDS, DELETED_DEVICES, DEVICES, chunks
from sluice_api.application.relay.deleted_devices import DeletedDevice
from sluice_common.mongo import Database


class MongoDeletedDeviceStore:
    """The deletions, and what the database still has of their devices."""

    def __init__(self, database: Database) -> None:
        self._deleted = database[DELETED_DEVICES]
        self._devices = database[DEVICES]
        self._commands = database[COMMANDS]

    async def due(self, now: datetime, limit: int) -> list[DeletedDevice]:
        """Return deletions that are to be looked at now."""
        found = await self._deleted.find({"relay_at": {"$lte": now}}).limit(limit).to_list(None)
        return [DeletedDevice(d["_id"], d["app_id"], d["deleted_at"]) for d in found]

    async def exists(self, device_id: str) -> bool:
        """Return whether a device is there."""
        return await self._devices.find_one({"_id": device_id}, {"_id": 1}) is not None

    async def commands(self, device_id: str) -> list[str]:
        """Return the ids of a device's commands."""
        found = await self._commands.find({"device_id": device_id}, {"_id": 1}).to_list(None)
        return [command["_id"] for command in found]

    async def delete_commands(self, command_ids: Sequence[str]) -> None:
        """Delete commands."""
        for ids in chunks(command_ids):
            await self._commands.delete_many({"_id": {"$in": list(ids)}})

    async def look_again(self, deleted: DeletedDevice, at: datetime) -> None:
        """Have a deletion due at another time, unless there has been a newer one of the device."""
        await self._deleted.update_one(_this(deleted), {"$set": {"relay_at": at}})

    async def forget(self, deleted: DeletedDevice) -> None:
        """Delete a deletion, unless there has been a newer one of the device."""
        await self._deleted.delete_one(_this(deleted))


def _this(deleted: DeletedDevice) -> dict[str, object]:
    return {"_id": deleted.device_id, "deleted_at": deleted.deleted_at}

"""Devices and groups."""

from collections.abc import Sequence

from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import CHUNK, COMMANDS, DEVICES, EXECUTIONS, GROUPS, Document, chunks
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import InvalidError, NamedDevice
from sluice_common.mongo import Database

ENDPOINT_TAKEN = "A device with this endpoint is registered on the platform already."
_DUPLICATE_KEY = 11_000


class Devices(TenantRepository):
    """The devices."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, DEVICES, "device")

    async def insert_all(self, documents: Sequence[Document]) -> list[int]:
        """Insert devices; return the indexes of those whose endpoint is taken."""
        try:
            await self._documents.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            errors = error.details["writeErrors"]
            if any(e["code"] != _DUPLICATE_KEY for e in errors):
                raise
            return [e["index"] for e in errors]
        return []

    async def all_of(self, app_id: str, device_ids: Sequence[str]) -> None:
        """Check that devices exist.

        Raises:
            InvalidError: It names those that do not.
        """
        known: set[str] = set()
        for ids in chunks(device_ids):
            found = self._documents.find({"_id": {"$in": list(ids)}}, {"app_id": 1})
            known |= {d["_id"] async for d in found if d["app_id"] == app_id}
        unknown = [NamedDevice(i) for i in device_ids if i not in known]
        if unknown:
            raise InvalidError("device_ids", "there are no such devices", "unknown_devices", devices=unknown)

    async def endpoints(self, device_ids: Sequence[str]) -> dict[str, str]:
        """Return the endpoints of devices that exist."""
        endpoints: dict[str, str] = {}
        for ids in chunks(device_ids):
            found = self._documents.find({"_id": {"$in": list(ids)}}, {"endpoint": 1})
            endpoints |= {d["_id"]: d["endpoint"] async for d in found}
        return endpoints


class Groups(TenantRepository):
    """The groups; membership is kept with the devices.

    What a device is busy with carries the device's groups too, so that a task's targets can be checked by group. Both
    change together here.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, GROUPS, "group")

    async def named(self, app_id: str, group_ids: Sequence[str]) -> None:
        """Check that groups that a request's body names exist.

        Raises:
            InvalidError: The app has not all of them.
        """
        for group_id in group_ids:
            if await self.find(app_id, group_id) is None:
                raise InvalidError("group_ids", f"there is no group {group_id[:64]!r}", "unknown_group")

    async def add(self, app_id: str, group_id: str, device_ids: Sequence[str]) -> int:
        """Put devices into a group; return how many of the app's devices were asked for."""
        added = 0
        joins = {"$addToSet": {"group_ids": group_id}}
        for ids in chunks(device_ids):
            result = await self._database[DEVICES].update_many({"_id": {"$in": list(ids)}, "app_id": app_id}, joins)
            added += result.matched_count
            await self._change_what_they_do({"device_id": {"$in": list(ids)}, "app_id": app_id}, joins)
        return added

    async def remove(self, app_id: str, group_id: str, device_id: str) -> bool:
        """Take a device out of a group; return whether it was in it."""
        leaves = {"$pull": {"group_ids": group_id}}
        result = await self._database[DEVICES].update_one({"_id": device_id, "app_id": app_id}, leaves)
        await self._change_what_they_do({"device_id": device_id, "app_id": app_id}, leaves)
        return result.modified_count == 1

    async def moved(self, app_id: str, device_id: str, group_ids: Sequence[str]) -> None:
        """Note that a device's groups have been replaced."""
        await self._change_what_they_do(
            {"device_id": device_id, "app_id": app_id}, {"$set": {"group_ids": list(group_ids)}}
        )

    async def delete(self, app_id: str, identifier: str) -> None:
        """Take all devices out of a group, then delete it; interrupted, it can be repeated.

        Raises:
            NotFoundError: The app has none of that id.
        """
        await self.get(app_id, identifier)
        members = self._database[DEVICES].find({"app_id": app_id, "group_ids": identifier}, {"_id": 1})
        while page := await members.to_list(CHUNK):
            await self._database[DEVICES].update_many(
                {"_id": {"$in": [d["_id"] for d in page]}}, {"$pull": {"group_ids": identifier}}
            )
        await super().delete(app_id, identifier)

    async def _change_what_they_do(self, devices: Document, change: Document) -> None:
        await self._database[EXECUTIONS].update_many(devices | {"active": True}, change)
        await self._database[COMMANDS].update_many(devices | {"open": True}, change)

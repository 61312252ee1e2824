"""Groups; membership is kept with the devices.

What a device is busy with carries the device's groups too, so that a task's targets can be checked by group. Both
change together here.
"""

from collections.abc import Sequence

from sluice_api.adapters.mongo.collections import CHUNK, COMMANDS, DEVICES, EXECUTIONS, GROUPS, Document, Filter, chunks
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import InvalidError
from sluice_api.domain.models import Group, GroupFilter
from sluice_common.mongo import Database

_CODEC = RecordCodec(Group, "group_id")


class Groups(TenantRepository[Group, GroupFilter]):
    """The groups."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, GROUPS, _CODEC, "group")

    async def add(self, group: Group) -> None:
        """Store a group.

        Raises:
            ConflictError: There is one of this name.
        """
        await self._insert(_CODEC.document(group), "There is a group of this name.")

    async def require_all(self, app_id: str, group_ids: Sequence[str]) -> None:
        """Check that groups exist.

        Raises:
            InvalidError: The app has not all of them.
        """
        for group_id in group_ids:
            if await self.find(app_id, group_id) is None:
                raise InvalidError("group_ids", f"there is no group {group_id[:64]!r}", "unknown_group")

    async def add_members(self, app_id: str, group_id: str, device_ids: Sequence[str]) -> int:
        """Put devices into a group; return how many of the app's devices were asked for."""
        added = 0
        joins = {"$addToSet": {"group_ids": group_id}}
        for ids in chunks(device_ids):
            result = await self._database[DEVICES].update_many({"_id": {"$in": list(ids)}, "app_id": app_id}, joins)
            added += result.matched_count
            await self._change_active({"device_id": {"$in": list(ids)}, "app_id": app_id}, joins)
        return added

    async def remove_member(self, app_id: str, group_id: str, device_id: str) -> bool:
        """Take a device out of a group; return whether it was in it."""
        leaves = {"$pull": {"group_ids": group_id}}
        result = await self._database[DEVICES].update_one({"_id": device_id, "app_id": app_id}, leaves)
        await self._change_active({"device_id": device_id, "app_id": app_id}, leaves)
        return result.modified_count == 1

    async def replace_groups(self, app_id: str, device_id: str, group_ids: Sequence[str]) -> None:
        """Note with what a device is doing that its groups have been replaced."""
        replaced = {"$set": {"group_ids": list(group_ids)}}
        await self._change_active({"device_id": device_id, "app_id": app_id}, replaced)

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

    async def _change_active(self, devices: Filter, change: Document) -> None:
        """Change active executions and open commands of devices."""
        await self._database[EXECUTIONS].update_many(devices | {"active": True}, change)
        await self._database[COMMANDS].update_many(devices | {"open": True}, change)

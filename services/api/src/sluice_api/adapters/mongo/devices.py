"""Devices."""

from collections.abc import Sequence

from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import DEVICES, Filter, chunks
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import InvalidError, NamedDevice
from sluice_api.domain.models import Device, DeviceChange, DeviceFilter
from sluice_common.mongo import Database

_DUPLICATE_KEY = 11_000
_CODEC = RecordCodec(Device, "device_id")
_STORED = {"group_id": "group_ids", "tag": "tags", "registered": "registration.registered"}
"""Fields of a filter that are stored under another name."""


class Devices(TenantRepository[Device, DeviceFilter]):
    """The devices."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, DEVICES, _CODEC, "device")

    def _query(self, wanted: DeviceFilter) -> Filter:
        return {_STORED.get(name, name): value for name, value in super()._query(wanted).items()}

    async def add(self, device: Device) -> None:
        """Store a device.

        Raises:
            ConflictError: Its endpoint is taken.
        """
        await self._insert(
            _CODEC.document(device), "A device with this endpoint is registered on the platform already."
        )

    async def add_all(self, devices: Sequence[Device]) -> list[int]:
        """Store devices; return the indexes of those whose endpoint is taken."""
        try:
            await self._documents.insert_many([_CODEC.document(device) for device in devices], ordered=False)
        except BulkWriteError as error:
            errors = error.details["writeErrors"]
            if any(e["code"] != _DUPLICATE_KEY for e in errors):
                raise
            return [e["index"] for e in errors]
        return []

    async def change(self, app_id: str, device_id: str, change: DeviceChange) -> Device:
        """Change a device and return it as it is then.

        Raises:
            NotFoundError: The app has none of that id.
        """
        return await self._change(app_id, device_id, change)

    async def require_all(self, app_id: str, device_ids: Sequence[str]) -> None:
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

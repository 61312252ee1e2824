"""Devices: what users say of them, in `devices`, and what they have reported themselves, in `device_states`."""

from collections.abc import Sequence

import msgspec
from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import DELETED_DEVICES, DEVICE_STATES, DEVICES, Document, Filter, chunks
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository, page_of
from sluice_api.domain.errors import InvalidError, NamedDevice
from sluice_api.domain.models import Device, DeviceChange, DeviceFilter, DeviceRegistration, Page
from sluice_common.messages.base import now
from sluice_common.mongo import Database

_DUPLICATE_KEY = 11_000
_CODEC = RecordCodec(Device, "device_id")
_REPORTED = ("firmware_version", "registration")
"""Fields of a device that the projector writes, to its state."""
_STORED = {"group_id": "group_ids", "tag": "tags"}
"""Fields of a filter that are stored under another name."""


class Devices(TenantRepository[Device, DeviceFilter]):
    """The devices."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, DEVICES, _CODEC, "device")
        self._states = database[DEVICE_STATES]
        self._deleted = database[DELETED_DEVICES]

    async def find(self, app_id: str, identifier: str) -> Device | None:
        """Return the device with what it has reported, None if the app has none of that id."""
        device = await super().find(app_id, identifier)
        return None if device is None else (await self._with_states([device]))[0]

    async def page(self, app_id: str, wanted: DeviceFilter, limit: int, after: str | None) -> Page[Device]:
        """Return one page in order of creation, of devices with what they have reported.

        Raises:
            InvalidError: `after` is no cursor.
        """
        # First what few devices have: a small server takes the index of the field that a query names first.
        rare = {"endpoint": wanted.endpoint} if wanted.endpoint is not None else {}
        query = rare | {"app_id": app_id} | self._query(wanted)
        page = await page_of(self._documents, _CODEC, query, limit, after)
        return Page(await self._with_states(page.items), page.next)

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a device and what it has reported, and have the relay see to it that Kafka forgets it.

        Raises:
            NotFoundError: The app has none of that id.
        """
        await self.get(app_id, identifier)  # nobody notes what is no device, or another app's
        # Before it is deleted: once it is gone, nobody knows that it has been. The relay waits for what is under way.
        at = now()
        noted = {"app_id": app_id, "deleted_at": at, "relay_at": at}
        await self._deleted.update_one({"_id": identifier}, {"$set": noted}, upsert=True)
        await super().delete(app_id, identifier)
        await self._states.delete_one({"_id": identifier})

    def _query(self, wanted: DeviceFilter) -> Filter:
        return {_STORED.get(name, name): value for name, value in super()._query(wanted).items()}

    async def add(self, device: Device) -> None:
        """Store a device.

        Raises:
            ConflictError: Its endpoint is taken.
        """
        await self._insert(_document(device), "The app has a device with this endpoint.")

    async def add_all(self, devices: Sequence[Device]) -> list[int]:
        """Store devices; return the indexes of those whose endpoint is taken."""
        try:
            await self._documents.insert_many([_document(device) for device in devices], ordered=False)
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

    async def _with_states(self, devices: Sequence[Device]) -> list[Device]:
        states: dict[str, Document] = {}
        for ids in chunks([device.device_id for device in devices]):
            states |= {d["_id"]: d async for d in self._states.find({"_id": {"$in": list(ids)}})}
        return [_reported(device, states.get(device.device_id, {})) for device in devices]


def _document(device: Device) -> Document:
    document = _CODEC.document(device)
    return {name: value for name, value in document.items() if name not in _REPORTED}


def _reported(device: Device, state: Document) -> Device:
    registration = state.get("registration")
    return msgspec.structs.replace(
        device,
        firmware_version=state.get("firmware_version"),
        registration=None if registration is None else msgspec.convert(registration, DeviceRegistration),
    )

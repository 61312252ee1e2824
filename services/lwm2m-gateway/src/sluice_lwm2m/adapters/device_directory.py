"""The devices by endpoint client name: collection `devices` of MongoDB, read through a cache."""

import time
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from sluice_common.background import BackgroundTasks
from sluice_common.lookups import Lookups
from sluice_lwm2m.application.ports import DirectoryBusyError, KnownDevice


class DeviceCollection(Protocol):
    """What is used of the collection `devices`."""

    def find(self, query: Mapping[str, Any], fields: Mapping[str, Any], /) -> AsyncIterable[Mapping[str, Any]]:
        """Return the documents that match."""


class _DeviceDocument(msgspec.Struct, frozen=True):
    """What is read of a device."""

    device_id: str = msgspec.field(name="_id")
    app_id: str
    endpoint: str


class MongoDeviceDirectory:
    """Devices by endpoint client name; only those that exist are kept in the cache.

    Implements `sluice_lwm2m.application.ports.DeviceDirectory`.
    """

    def __init__(
        self,
        devices: DeviceCollection,
        tasks: BackgroundTasks,
        *,
        ttl: float,
        capacity: int,
        max_waiting: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            devices: The collection.
            tasks: Owns what is being looked up.
            ttl: Seconds after which a known endpoint is looked up again.
            capacity: Known endpoints that are kept.
            max_waiting: Names that wait for MongoDB at once; those that were never found have half of the places.
            clock: Seconds, from anywhere.
        """
        self._devices = devices
        self._ttl = ttl
        self._capacity = capacity
        self._clock = clock
        self._cache: dict[str, tuple[float, KnownDevice]] = {}
        self._max_waiting = max_waiting
        self._waiting = 0
        self._lookups = Lookups(self._read, tasks)

    async def find(self, endpoint: str) -> KnownDevice | None:
        """Return the device, or None if there is none.

        Raises:
            DirectoryBusyError: Too many wait.
            PyMongoError: MongoDB cannot answer.
        """
        if (cached := self._cache.get(endpoint)) and self._clock() < cached[0]:
            return cached[1]
        if self._waiting >= (self._max_waiting if cached else self._max_waiting // 2):
            raise DirectoryBusyError
        self._waiting += 1
        try:
            return await self._lookups.find(endpoint)
        finally:
            self._waiting -= 1

    def was_found(self, endpoint: str) -> bool:
        """Return whether a device was found before, though it may have to be looked up again."""
        return endpoint in self._cache

    async def _read(self, endpoints: Sequence[str]) -> dict[str, KnownDevice]:
        cursor = self._devices.find({"endpoint": {"$in": list(endpoints)}}, {"endpoint": 1, "app_id": 1})
        documents = [msgspec.convert(document, _DeviceDocument) async for document in cursor]
        found = {document.endpoint: KnownDevice(document.device_id, document.app_id) for document in documents}
        for endpoint in endpoints:
            self._cache.pop(endpoint, None)
        if len(self._cache) + len(found) > self._capacity:
            self._cache.clear()
        until = self._clock() + self._ttl
        self._cache.update({endpoint: (until, device) for endpoint, device in found.items()})
        return found

"""The devices by endpoint client name: collection `devices` of MongoDB, read through a cache."""

import time
from collections import defaultdict
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from sluice_common.background import BackgroundTasks
from sluice_common.lookups import Lookups
from sluice_lwm2m.application.ports import DirectoryBusyError, KnownDevice
from sluice_lwm2m.domain.name_owners import NameOwners


class Collection(Protocol):
    """What is used of a collection."""

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
        devices: Collection,
        owners: Callable[[], Awaitable[NameOwners]],
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
            owners: Returns whose each name is.
            tasks: Owns what is being looked up.
            ttl: Seconds after which a known endpoint is looked up again.
            capacity: Known endpoints that are kept.
            max_waiting: Names that wait for MongoDB at once; those that were never found have half of the places.
            clock: Seconds, from anywhere.
        """
        self._devices = devices
        self._owners = owners
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
        found = await self._chosen(endpoints)
        for endpoint in endpoints:
            self._cache.pop(endpoint, None)
        if len(self._cache) + len(found) > self._capacity:
            self._cache.clear()
        until = self._clock() + self._ttl
        self._cache.update({endpoint: (until, device) for endpoint, device in found.items()})
        return found

    async def _chosen(self, endpoints: Sequence[str]) -> dict[str, KnownDevice]:
        """Return the device that registers by each name; apps do not share a device, but may share a name."""
        owners = await self._owners()
        of_name: defaultdict[str, list[KnownDevice]] = defaultdict(list)
        async for document in self._devices.find({"endpoint": {"$in": list(endpoints)}}, {"endpoint": 1, "app_id": 1}):
            device = msgspec.convert(document, _DeviceDocument)
            of_name[device.endpoint].append(KnownDevice(device.device_id, device.app_id))
        chosen = {name: owners.choose(name, devices) for name, devices in of_name.items()}
        return {name: device for name, device in chosen.items() if device is not None}

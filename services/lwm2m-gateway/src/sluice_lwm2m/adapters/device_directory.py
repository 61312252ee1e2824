"""Which device an endpoint client name is: collection `devices` of MongoDB, read with a cache."""

import time
from collections.abc import Callable, Sequence

import msgspec

from sluice_common.lookups import Lookups
from sluice_common.mongo import Database


class KnownDevice(msgspec.Struct, frozen=True):
    """A device that the platform knows."""

    device_id: str
    app_id: str


class DeviceDirectory:
    """Devices by endpoint client name; only those that exist are kept in the cache."""

    def __init__(
        self, database: Database, ttl: float, capacity: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._devices = database["devices"]
        self._ttl = ttl
        self._capacity = capacity
        self._clock = clock
        self._cache: dict[str, tuple[float, KnownDevice]] = {}
        self._lookups = Lookups(self._read)

    async def find(self, endpoint: str) -> KnownDevice | None:
        """Return the device, or None if there is none.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        if (cached := self._cache.get(endpoint)) and self._clock() < cached[0]:
            return cached[1]
        return await self._lookups.find(endpoint)

    async def _read(self, endpoints: Sequence[str]) -> dict[str, KnownDevice]:
        cursor = self._devices.find({"endpoint": {"$in": list(endpoints)}}, {"endpoint": 1, "app_id": 1})
        found = {d["endpoint"]: KnownDevice(d["_id"], d["app_id"]) async for d in cursor}
        if len(self._cache) + len(found) > self._capacity:
            self._cache.clear()
        until = self._clock() + self._ttl
        self._cache.update({endpoint: (until, device) for endpoint, device in found.items()})
        return found

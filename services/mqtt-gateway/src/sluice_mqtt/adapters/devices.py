"""The app and the secret of each device: collection `devices` of MongoDB, read with a cache.

That a device does not exist is cached as well, for a short time: who guesses ids does not reach the database.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from pymongo.errors import PyMongoError

from sluice_common.background import BackgroundTasks
from sluice_common.lookups import Lookups
from sluice_common.sealing import Sealer, SealingError
from sluice_mqtt.application.pending_operations import PendingOperations
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.device import KnownDevice

_log = structlog.get_logger()
_RETRY_DELAY = 1.0
_MIN_LIFETIME = 1.0


class Collection(Protocol):
    """The collection `devices`."""

    def find(self, query: Any, projection: Any, /) -> AsyncIterable[dict[str, Any]]:
        """Return the documents that a query finds."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds for which a look-up is not repeated.

    Attributes:
        device: Of the app that a device belongs to.
        secret: Of a device's secret.
        unknown: Of a device that does not exist.
    """

    device: float
    secret: float
    unknown: float


@dataclass(frozen=True, slots=True)
class _Cached:
    read_at: float
    device: KnownDevice | None


class MongoDevices:
    """Devices by id."""

    def __init__(
        self,
        collection: Collection,
        sealer: Sealer,
        lifetimes: Lifetimes,
        pending: PendingOperations,
        tasks: BackgroundTasks,
        *,
        capacity: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            collection: With the devices.
            sealer: Opens their secrets.
            lifetimes: How long look-ups are cached.
            pending: Notes look-ups that wait for MongoDB.
            tasks: Owns what is being looked up.
            capacity: Devices that are cached at most, known or not.
            clock: Seconds.
        """
        self._devices = collection
        self._sealer = sealer
        self._lifetimes = lifetimes
        self._capacity = capacity
        self._pending = pending
        self._clock = clock
        self._cache: dict[str, _Cached] = {}
        self._lookups = Lookups(self._read, tasks)

    async def find(self, device_id: str) -> KnownDevice | None:
        """Return the device for its app, or None if there is none; waits for MongoDB as long as it takes."""
        operation = self._pending.begin()
        try:
            while True:
                try:
                    return await self._find(device_id, self._lifetimes.device)
                except StoreUnavailableError as error:
                    _log.warning("device_not_read", device_id=device_id, reason=str(error))
                    await asyncio.sleep(_RETRY_DELAY)
        finally:
            self._pending.end(operation)

    async def find_unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that the platform does not know, or not any more.

        Raises:
            StoreUnavailableError: MongoDB cannot answer.
        """
        ids = list(device_ids)
        found = await asyncio.gather(*(self._find(device_id, self._lifetimes.device) for device_id in ids))
        return {device_id for device_id, device in zip(ids, found, strict=True) if device is None}

    async def find_secret(self, device_id: str) -> bytes | None:
        """Return the secret of a device, or None if there is no device or no secret.

        Raises:
            StoreUnavailableError: MongoDB cannot answer.
        """
        device = await self._find(device_id, self._lifetimes.secret)
        return None if device is None else device.secret

    async def find_secret_anew(self, device_id: str) -> bytes | None:
        """Return the secret as it is now: for a log-in that does not fit what `find_secret` has returned.

        A device is read once a second at most, so that who guesses passwords does not reach the database; one that
        does not exist is not read again before `Lifetimes.unknown` is over.

        Raises:
            StoreUnavailableError: MongoDB cannot answer.
        """
        device = await self._find(device_id, min(self._lifetimes.secret, _MIN_LIFETIME))
        return None if device is None else device.secret

    async def _find(self, device_id: str, lifetime: float) -> KnownDevice | None:
        cached = self._cache.get(device_id)
        if cached is not None:
            max_age = lifetime if cached.device is not None else self._lifetimes.unknown
            if self._clock() < cached.read_at + max_age:
                return cached.device
        return await self._lookups.find(device_id)

    async def _read(self, ids: Sequence[str]) -> dict[str, KnownDevice]:
        cursor = self._devices.find({"_id": {"$in": list(ids)}}, {"app_id": 1, "mqtt_secret": 1})
        try:
            found = {d["_id"]: KnownDevice(d["_id"], d["app_id"], self._open(d)) async for d in cursor}
        except PyMongoError as error:
            raise StoreUnavailableError(str(error)) from error
        if len(self._cache) + len(ids) > self._capacity:
            self._cache.clear()
        now = self._clock()
        self._cache.update({device_id: _Cached(now, found.get(device_id)) for device_id in ids})
        return found

    def _open(self, document: dict[str, str]) -> bytes | None:
        sealed = document.get("mqtt_secret")
        if sealed is None:
            return None
        try:
            return self._sealer.open(sealed)
        except SealingError as error:
            _log.error("secret_not_opened", device_id=document["_id"], reason=str(error))
            return None

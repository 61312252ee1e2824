"""The app and the secret of each device: collection `devices` of MongoDB, read with a cache.

That a device does not exist is cached as well, for a short time: who guesses ids does not reach the database.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from pymongo.errors import PyMongoError

from sluice_common.background import BackgroundTasks
from sluice_common.lookups import Lookups
from sluice_common.sealing import Sealer, SealingError
from sluice_common.supervision import Backoff, persist
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.device import KnownDevice

_log = structlog.get_logger()
_BACKOFF = Backoff(first=1.0, longest=5.0)
_AT_ONCE = 100
"""Devices of a list that are looked up at once: a list of all clients must not crowd out those that log in."""
_MIN_LIFETIME = 1.0


class Cursor(Protocol):
    """What a query finds."""

    async def to_list(self) -> Sequence[Mapping[str, Any]]:
        """Return all documents; less work for each than to iterate over them."""


class Collection(Protocol):
    """The collection `devices`."""

    def find(self, query: Any, projection: Any, /) -> Cursor:
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
    """What was read of a device; its secret is opened when it is asked for, as a report needs none."""

    read_at: float
    device: KnownDevice | None
    sealed_secret: str | None = None


class MongoDevices:
    """Devices by id."""

    def __init__(
        self,
        collection: Collection,
        sealer: Sealer,
        lifetimes: Lifetimes,
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
            tasks: Owns what is being looked up.
            capacity: Devices that are cached at most, known or not.
            clock: Seconds.
        """
        self._devices = collection
        self._sealer = sealer
        self._lifetimes = lifetimes
        self._capacity = capacity
        self._clock = clock
        self._cache: dict[str, _Cached] = {}
        self._lookups: Lookups[_Cached] = Lookups(self._read, tasks)

    async def find(self, device_id: str) -> KnownDevice | None:
        """Return the device for its app, or None if there is none; waits for MongoDB as long as it takes."""
        cached = self._fresh(device_id, self._lifetimes.device)
        if cached is None:
            find = partial(self._find, device_id, self._lifetimes.device)
            cached = await persist(
                "device_not_read", find, passing=_is_store_unavailable, backoff=_BACKOFF, device_id=device_id
            )
        return cached.device

    async def find_unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that the platform does not know, or not any more.

        Raises:
            StoreUnavailableError: MongoDB cannot answer.
        """
        ids, unknown = list(device_ids), set[str]()
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found = await asyncio.gather(*(self._find(device_id, self._lifetimes.device) for device_id in some))
            unknown |= {device_id for device_id, cached in zip(some, found, strict=True) if cached.device is None}
        return unknown

    async def find_secret(self, device_id: str) -> bytes | None:
        """Return the secret of a device, or None if there is no device or no secret.

        Raises:
            StoreUnavailableError: MongoDB cannot answer.
        """
        return self._secret(device_id, await self._find(device_id, self._lifetimes.secret))

    async def find_secret_anew(self, device_id: str) -> bytes | None:
        """Return the secret as it is now: for a log-in that does not fit what `find_secret` has returned.

        A device is read once a second at most, so that who guesses passwords does not reach the database; one that
        does not exist is not read again before `Lifetimes.unknown` is over.

        Raises:
            StoreUnavailableError: MongoDB cannot answer.
        """
        return self._secret(device_id, await self._find(device_id, min(self._lifetimes.secret, _MIN_LIFETIME)))

    async def _find(self, device_id: str, lifetime: float) -> _Cached:
        return self._fresh(device_id, lifetime) or await self._lookups.find(device_id) or _Cached(self._clock(), None)

    def _fresh(self, device_id: str, lifetime: float) -> _Cached | None:
        cached = self._cache.get(device_id)
        if cached is None:
            return None
        max_age = lifetime if cached.device is not None else self._lifetimes.unknown
        return cached if self._clock() < cached.read_at + max_age else None

    async def _read(self, ids: Sequence[str]) -> dict[str, _Cached]:
        try:
            cursor = self._devices.find({"_id": {"$in": list(ids)}}, {"app_id": 1, "mqtt_secret": 1})
            documents = {document["_id"]: document for document in await cursor.to_list()}
        except PyMongoError as error:
            raise StoreUnavailableError(str(error)) from error
        if len(self._cache) + len(ids) > self._capacity:
            self._cache.clear()
        now = self._clock()
        read = {device_id: _cached(now, documents.get(device_id)) for device_id in ids}
        self._cache.update(read)
        return read

    def _secret(self, device_id: str, cached: _Cached) -> bytes | None:
        if cached.sealed_secret is None:
            return None
        try:
            return self._sealer.open(cached.sealed_secret)
        except SealingError as error:
            _log.error("secret_not_opened", device_id=device_id, reason=str(error))
            return None


def _cached(now: float, document: Mapping[str, Any] | None) -> _Cached:
    if document is None:
        return _Cached(now, None)
    return _Cached(now, KnownDevice(document["_id"], document["app_id"]), document.get("mqtt_secret"))


def _is_store_unavailable(error: BaseException) -> bool:
    return isinstance(error, StoreUnavailableError)

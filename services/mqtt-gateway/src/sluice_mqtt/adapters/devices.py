"""Whose a device is and what its secret is: collection `devices` of MongoDB, read with a cache.

Devices that do not exist are kept too, for a short time: whoever guesses does not reach the database.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from pymongo.errors import PyMongoError

from sluice_common.lookups import Lookups
from sluice_common.mongo import Database
from sluice_common.sealing import Sealer, SealingError
from sluice_mqtt.application.pending_operations import Waits

_log = structlog.get_logger()
_RETRY_DELAY = 1.0
_LEAST_LIFETIME = 1.0


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device that the platform knows; `secret` is None if it has none or none that opens."""

    device_id: str
    app_id: str
    secret: bytes | None


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds for which look-ups are not repeated: for the app, for the secret, and for devices that do not exist."""

    device: float
    secret: float
    unknown: float


@dataclass(frozen=True, slots=True)
class _Kept:
    read_at: float
    device: KnownDevice | None


class Devices:
    """Devices by id."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        lifetimes: Lifetimes,
        waits: Waits,
        *,
        capacity: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = database["devices"]
        self._sealer = sealer
        self._lifetimes = lifetimes
        self._capacity = capacity
        self._waits = waits
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lookups = Lookups(self._read)

    async def find(self, device_id: str) -> KnownDevice | None:
        """Return the device for its app, or None if there is none; however long MongoDB is away."""
        wait = self._waits.begin()
        try:
            while True:
                try:
                    return await self._find(device_id, self._lifetimes.device)
                except PyMongoError as error:
                    _log.warning("device_not_read", device_id=device_id, reason=str(error))
                    await asyncio.sleep(_RETRY_DELAY)
        finally:
            self._waits.end(wait)

    async def find_unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that the platform does not know, or not any more.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        ids = list(device_ids)
        found = await asyncio.gather(*(self._find(device_id, self._lifetimes.device) for device_id in ids))
        return {device_id for device_id, device in zip(ids, found, strict=True) if device is None}

    async def find_secret(self, device_id: str) -> bytes | None:
        """Return the secret of a device, or None if there is no device or no secret.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        device = await self._find(device_id, self._lifetimes.secret)
        return None if device is None else device.secret

    async def find_secret_anew(self, device_id: str) -> bytes | None:
        """Return the secret as it is now: for a log-in that does not fit what `find_secret` says.

        A device is read once a second at most, so that whoever guesses passwords does not reach the database; one that
        does not exist is not read again before its time.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        device = await self._find(device_id, min(self._lifetimes.secret, _LEAST_LIFETIME))
        return None if device is None else device.secret

    async def _find(self, device_id: str, lifetime: float) -> KnownDevice | None:
        kept = self._kept.get(device_id)
        if kept is not None:
            longest = lifetime if kept.device is not None else self._lifetimes.unknown
            if self._clock() < kept.read_at + longest:
                return kept.device
        return await self._lookups.find(device_id)

    async def _read(self, ids: Sequence[str]) -> dict[str, KnownDevice]:
        cursor = self._devices.find({"_id": {"$in": list(ids)}}, {"app_id": 1, "mqtt_secret": 1})
        found = {d["_id"]: KnownDevice(d["_id"], d["app_id"], self._open(d)) async for d in cursor}
        if len(self._kept) + len(ids) > self._capacity:
            self._kept.clear()
        now = self._clock()
        self._kept.update({device_id: _Kept(now, found.get(device_id)) for device_id in ids})
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

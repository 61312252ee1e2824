"""What the relay does for revoked keys: no package that one has verified is used any more.

Revoking changes the key at once, so that no new task can use a package of it. The rest may be interrupted at any point:
packages become REVOKED and tell the gateways, tasks under way stop. Every step may come twice.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import msgspec

from sluice_api.application.relay.units import Units
from sluice_api.application.tasks import TaskStopper
from sluice_api.domain.outbox import OutboxMessage, entry
from sluice_common.messages.package_events import PackageRevoked
from sluice_common.reasons import ReasonCode
from sluice_common.topics import PACKAGE_EVENTS


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A revoked key that the relay has to look at.

    Attributes:
        key_id: Its id.
        app_id: Whose.
        relay_at: Since when.
    """

    key_id: str
    app_id: str
    relay_at: datetime


class PackageOfKey(msgspec.Struct, frozen=True, kw_only=True):
    """A package that a key has verified.

    Attributes:
        package_id: Its id.
        image_id: Its image.
        usable: Whether it is still VERIFIED.
    """

    package_id: str
    image_id: str
    usable: bool


class RevocationStore(Protocol):
    """Keys and packages."""

    async def due(self, now: datetime) -> Sequence[RevokedKey]:
        """Return revoked keys that the relay has to look at now."""
        ...

    def packages(self, key: RevokedKey) -> AsyncIterator[PackageOfKey]:
        """Yield the packages that a key has verified."""
        ...

    async def revoke(self, package_id: str, at: datetime, message: OutboxMessage) -> None:
        """Make a package that is VERIFIED a REVOKED one, together with its message."""
        ...

    async def finish(self, key: RevokedKey) -> None:
        """Note that a key needs no further look, unless another was asked for meanwhile."""
        ...


class Revocation:
    """Ends the use of revoked keys."""

    def __init__(self, store: RevocationStore, tasks: TaskStopper) -> None:
        self._store = store
        self._tasks = tasks
        self._units = Units("revocation_failed", "key_id")

    async def sweep_due(self, now: datetime) -> bool:
        """Revoke the packages that due keys have verified and stop their tasks; return whether one was finished."""
        keys = await self._store.due(now)
        return any([await self._units.attempt(key.key_id, partial(self._sweep, key, now)) for key in keys])

    async def _sweep(self, key: RevokedKey, at: datetime) -> None:
        async for package in self._store.packages(key):
            if package.usable:
                await self._store.revoke(package.package_id, at, _message(key, package, at))
            await self._tasks.stop_all_of(package.package_id, ReasonCode.KEY_REVOKED, at)
        await self._store.finish(key)


def _message(key: RevokedKey, package: PackageOfKey, at: datetime) -> OutboxMessage:
    revoked = PackageRevoked(
        app_id=key.app_id,
        occurred_at=at,
        package_id=package.package_id,
        image_id=package.image_id,
        key_id=key.key_id,
    )
    return entry(PACKAGE_EVENTS, package.package_id, revoked)

"""Deleted devices: Kafka forgets what it knows of them, in two rounds.

At once: the registration, so that gateways drop the device; the version that no execution tells; its commands. Then
again, and the scheduler's record with it, when nothing of the device can come late any more: until then the record
knows which of its executions have ended. Its executions themselves are forgotten with their tasks.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol

import structlog

from sluice_api.application.relay.ports import Publisher
from sluice_api.application.relay.units import Units
from sluice_common.messages.device_events import DeviceDeleted
from sluice_common.topics import COMMAND_EVENTS, DEVICE_EVENTS, EXECUTION_EVENTS, REGISTRATIONS

_log = structlog.get_logger()
_AT_ONCE = 100
_PAUSE = timedelta(seconds=5)
"""From a look that found nothing to the next."""
_UNDER_WAY = timedelta(minutes=1)
"""A device that is still there after this was not deleted: whoever wanted to has died before."""


class DeletedDevice(NamedTuple):
    """A device whose deletion was begun."""

    device_id: str
    app_id: str
    deleted_at: datetime


class DeletedDeviceStore(Protocol):
    """The deletions, and what the database still has of their devices."""

    async def due(self, now: datetime, limit: int) -> Sequence[DeletedDevice]:
        """Return deletions that are to be looked at now."""
        ...

    async def exists(self, device_id: str) -> bool:
        """Return whether a device is there."""
        ...

    async def commands(self, device_id: str) -> Sequence[str]:
        """Return the ids of a device's commands."""
        ...

    async def delete_commands(self, command_ids: Sequence[str]) -> None:
        """Delete commands."""
        ...

    async def look_again(self, deleted: DeletedDevice, at: datetime) -> None:
        """Have a deletion due at another time, unless there has been a newer one of the device."""
        ...

    async def forget(self, deleted: DeletedDevice) -> None:
        """Delete a deletion, unless there has been a newer one of the device."""
        ...


class DeletedDevices:
    """Has Kafka forget deleted devices.

    Args:
        store: The deletions.
        publisher: Kafka.
        keep: How long the scheduler's record of a device stays.
        now: UTC time.
    """

    def __init__(
        self, store: DeletedDeviceStore, publisher: Publisher, keep: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._keep = keep
        self._now = now
        self._look_at = now()
        self._units = Units("deleted_device_not_forgotten", "device_id")

    async def forget_due(self) -> bool:
        """Work on what is due; return whether there may be more."""
        now = self._now()
        if now < self._look_at:
            return False
        found = await self._store.due(now, _AT_ONCE)
        if not found:
            self._look_at = now + _PAUSE
        return any([await self._units.attempt(one.device_id, partial(self._forget, one, now)) for one in found])

    async def _forget(self, deleted: DeletedDevice, now: datetime) -> None:
        if await self._store.exists(deleted.device_id):
            await self._wait(deleted, now)
            return
        await self._publish_tombstones(deleted.device_id)
        if now < deleted.deleted_at + self._keep:
            await self._store.look_again(deleted, deleted.deleted_at + self._keep)
            return
        gone = DeviceDeleted(app_id=deleted.app_id, occurred_at=now, device_id=deleted.device_id)
        await self._publisher.publish_all([(DEVICE_EVENTS, deleted.device_id, gone)])
        await self._store.forget(deleted)
        _log.info("deleted_device_forgotten", app_id=deleted.app_id, device_id=deleted.device_id)

    async def _wait(self, deleted: DeletedDevice, now: datetime) -> None:
        if now < deleted.deleted_at + _UNDER_WAY:
            await self._store.look_again(deleted, now + _UNDER_WAY)
        else:
            await self._store.forget(deleted)

    async def _publish_tombstones(self, device_id: str) -> None:
        commands = await self._store.commands(device_id)
        await self._publisher.publish_tombstones(REGISTRATIONS, [(device_id, device_id)])
        await self._publisher.publish_tombstones(EXECUTION_EVENTS, [(device_id, device_id)])
        await self._publisher.publish_tombstones(COMMAND_EVENTS, [(command_id, device_id) for command_id in commands])
        # After Kafka: once its row is gone, nobody knows that a command has been.
        await self._store.delete_commands(commands)

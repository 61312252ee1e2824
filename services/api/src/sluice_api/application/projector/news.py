"""What a batch of messages says, reduced to what is worth a write."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from sluice_api.application.counting import Row
from sluice_api.domain.models import DeviceRegistration
from sluice_common.messages.execution_events import (
    DeviceCommandChanged,
    DeviceFirmwareChanged,
    ExecutionChanged,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.registrations import Registration

Snapshot = TypeVar("Snapshot", ExecutionChanged, DeviceCommandChanged)
_REMEMBERED = 100_000
"""Devices of which is remembered what was written last."""


class DeviceNews(msgspec.Struct, frozen=True, kw_only=True):
    """What was reported of a device; None for what was not.

    Attributes:
        firmware_version: The version that it runs.
        registration: Its registration.
        registered: Whether it has one, if that is not what was written before.
    """

    firmware_version: str | None = None
    registration: DeviceRegistration | None = None
    registered: bool | None = None


def newest(snapshots: Iterable[Snapshot], key: Callable[[Snapshot], str]) -> dict[str, Snapshot]:
    """Return the snapshot with the highest version of each key."""
    found: dict[str, Snapshot] = {}
    for snapshot in snapshots:
        name = key(snapshot)
        if name not in found or snapshot.version > found[name].version:
            found[name] = snapshot
    return found


def is_told_by_the_clock(snapshot: ExecutionChanged, row: Row) -> bool:
    """Return whether a snapshot says no more than that the execution waits, or has ceased to and awaits its device."""
    if row.version >= 0 or not row.clocked or snapshot.attempt > 1 or snapshot.reported_version is not None:
        return False
    return snapshot.step is Step.WAITING or (
        snapshot.status is ExecutionStatus.RUNNING and snapshot.step is Step.AWAIT_ONLINE and snapshot.coverage is None
    )


def news_of(messages: Iterable[Any]) -> dict[str, DeviceNews]:
    """Return what snapshots, reports and registrations say of devices, by device; the last message of each counts."""
    versions: dict[str, str] = {}
    newest_registrations: dict[str, DeviceRegistration] = {}
    for message in messages:
        match message:
            case ExecutionChanged(reported_version=str(version)) | DeviceFirmwareChanged(firmware_version=version):
                versions[message.device_id] = version
            case Registration():
                newest_registrations[message.device_id] = registration_of(message)
    return {
        device_id: DeviceNews(
            firmware_version=versions.get(device_id), registration=newest_registrations.get(device_id)
        )
        for device_id in versions.keys() | newest_registrations.keys()
    }


def registration_of(message: Registration) -> DeviceRegistration:
    """Return what users see of a registration."""
    return DeviceRegistration(
        registered=not message.deregistered,
        lifetime=message.lifetime,
        queue_mode=message.queue_mode,
        lwm2m_version=message.lwm2m_version,
        address=message.address,
        objects=message.objects,
        expires_at=message.expires_at,
        last_seen=message.seen_at or message.occurred_at,
    )


class WrittenNews:
    """Remembers what was written of devices last, so that what has not changed is not written again.

    Args:
        lag: How long a registration that only goes on need not be written.
    """

    def __init__(self, lag: timedelta) -> None:
        self._lag = lag
        self._written: dict[str, DeviceNews] = {}

    def forget(self) -> None:
        """Remember nothing: another process may have written since."""
        self._written.clear()

    def unwritten(self, news: Mapping[str, DeviceNews]) -> dict[str, DeviceNews]:
        """Return the part of news that is worth a write."""
        parts = {device_id: self._unwritten(device_id, of_device) for device_id, of_device in news.items()}
        return {device_id: part for device_id, part in parts.items() if part != DeviceNews()}

    def remember(self, news: Mapping[str, DeviceNews]) -> None:
        """Note that news have been written."""
        if len(self._written) + len(news) > _REMEMBERED:
            self._written.clear()
        for device_id, new in news.items():
            before = self._written.get(device_id, DeviceNews())
            self._written[device_id] = DeviceNews(
                firmware_version=new.firmware_version or before.firmware_version,
                registration=new.registration or before.registration,
            )

    def _unwritten(self, device_id: str, new: DeviceNews) -> DeviceNews:
        before = self._written.get(device_id, DeviceNews())
        registration = None if self._is_known(before.registration, new.registration) else new.registration
        was_registered = None if before.registration is None else before.registration.registered
        is_registered = None if registration is None else registration.registered
        return DeviceNews(
            firmware_version=None if new.firmware_version == before.firmware_version else new.firmware_version,
            registration=registration,
            registered=None if is_registered == was_registered else is_registered,
        )

    def _is_known(self, before: DeviceRegistration | None, new: DeviceRegistration | None) -> bool:
        """Return whether a registration has only been kept up by an update, a moment after the one before."""
        if before is None or new is None:
            return new is None
        kept_up = msgspec.structs.replace(before, expires_at=new.expires_at, last_seen=new.last_seen)
        return new == before or (new == kept_up and new.last_seen - before.last_seen < self._lag)

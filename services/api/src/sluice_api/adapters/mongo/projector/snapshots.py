"""From messages to what is stored: the newest snapshot of each thing, in the shape of its document. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from sluice_common.messages.device_events import ResourceValue
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged
from sluice_common.messages.registrations import Registration

Snapshot = TypeVar("Snapshot", ExecutionChanged, DeviceCommandChanged)
_INT64 = 2**63


def newest(snapshots: Iterable[Snapshot], key: Callable[[Snapshot], str]) -> dict[str, Snapshot]:
    """Return the snapshot with the highest version of each key."""
    found: dict[str, Snapshot] = {}
    for snapshot in snapshots:
        name = key(snapshot)
        if name not in found or snapshot.version > found[name].version:
            found[name] = snapshot
    return found


def execution_fields(snapshot: ExecutionChanged) -> dict[str, Any]:
    """Return what a snapshot says of its execution; `active` is what the checks of D08 look for."""
    return {
        "version": snapshot.version,
        "active": not snapshot.status.is_final,
        "status": snapshot.status.value,
        "step": snapshot.step.value,
        "attempt": snapshot.attempt,
        "max_retries": snapshot.max_retries,
        "target_version": snapshot.target_version,
        "source_version": snapshot.source_version,
        "reported_version": snapshot.reported_version,
        "coverage": _plain(snapshot.coverage),
        "firmware_state": snapshot.firmware_state,
        "reason": _plain(snapshot.reason),
        "created_at": snapshot.created_at,
        "started_at": snapshot.started_at,
        "ended_at": snapshot.ended_at,
        "next_attempt_at": snapshot.next_attempt_at,
        "history": _plain(snapshot.history),
    }


def command_fields(snapshot: DeviceCommandChanged) -> dict[str, Any]:
    """Return what a snapshot says of its device command."""
    return {
        "version": snapshot.version,
        "open": not snapshot.status.is_final,
        "status": snapshot.status.value,
        "code": snapshot.code,
        "values": {path: storable(value) for path, value in snapshot.values.items()},
        "detail": snapshot.detail,
    }


def registration_fields(registration: Registration) -> dict[str, Any]:
    """Return what users see of a registration."""
    return {
        "registered": not registration.deregistered,
        "lifetime": registration.lifetime,
        "queue_mode": registration.queue_mode,
        "lwm2m_version": registration.lwm2m_version,
        "address": registration.address,
        "objects": list(registration.objects),
        "expires_at": registration.expires_at,
        "last_seen": registration.occurred_at,
    }


def storable(value: ResourceValue) -> ResourceValue:
    """Return a device's value as the database can hold it: integers beyond 64 bits become text."""
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(datetime,))

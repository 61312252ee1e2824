"""From messages to the fields of the documents that they change."""

from datetime import datetime
from typing import Any

import msgspec

from sluice_api.adapters.mongo.collections import Document
from sluice_api.application.projector.news import DeviceNews
from sluice_common.messages.device_events import ResourceValue
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged

_INT64 = 2**63


def execution_fields(snapshot: ExecutionChanged) -> Document:
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


def command_fields(snapshot: DeviceCommandChanged) -> Document:
    """Return what a snapshot says of its device command."""
    return {
        "version": snapshot.version,
        "open": not snapshot.status.is_final,
        "status": snapshot.status.value,
        "code": snapshot.code,
        "values": {path: storable(value) for path, value in snapshot.values.items()},
        "detail": snapshot.detail,
    }


def device_fields(news: DeviceNews) -> Document:
    """Return what was reported of a device; what was not stays as it is stored."""
    fields: Document = {}
    if news.firmware_version is not None:
        fields["firmware_version"] = news.firmware_version
    if news.registration is not None:
        fields["registration"] = _plain(news.registration)
    return fields


def storable(value: ResourceValue) -> ResourceValue:
    """Return a device's value as the database can hold it: integers beyond 64 bits become text."""
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(datetime,))

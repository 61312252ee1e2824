"""How a registration changes: pure functions from record to record."""

from datetime import datetime

import msgspec

from sluice_common.messages.base import utc
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    WritePackageUri,
)
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.coap.link_format import ObjectList
from sluice_lwm2m.domain.registering import Parameters

REFRESH_FRACTION = 0.5
"""Share of the lifetime after which an Update refreshes the record's expiry.

After a restart the true end of a lifetime is therefore at most this share of it later than recorded.
"""
_MILLISECONDS = 1000


def register(
    previous: Registration | None,
    parameters: Parameters,
    *,
    device_id: str,
    app_id: str,
    address: str,
    gateway: int,
    location: str,
    now: float,
) -> Registration:
    """Return the record of a new registration.

    The observation and the last Execute are kept: a device may notify with its old token after a restart. So is the
    attempt whose image is served, unless another gateway owned the device: that one may have fenced it, or may yet.
    """
    epoch = _milliseconds(now)
    lifetime = parameters.lifetime or 0
    listed = parameters.objects or ObjectList()
    root = listed.root_after("")
    fresh = Registration(
        app_id=app_id,
        occurred_at=utc(now),
        device_id=device_id,
        endpoint=parameters.endpoint,
        address=address,
        gateway=gateway,
        epoch=epoch,
        location=location,
        lifetime=lifetime,
        expires_at=utc(now + lifetime),
        lwm2m_version=parameters.version,
        queue_mode=parameters.queue_mode or False,
        root=root,
        objects=listed.objects(root),
        address_epoch=epoch,
    )
    if previous is None:
        return fresh
    return msgspec.structs.replace(
        fresh,
        epoch=max(epoch, previous.epoch + 1),
        observe_token=previous.observe_token,
        observe_attempt=previous.observe_attempt,
        current_attempt=previous.current_attempt if previous.gateway == gateway else None,
        last_execute_id=previous.last_execute_id,
    )


def update(
    record: Registration, parameters: Parameters, now: float, address: str | None = None, heard_at: float = 0.0
) -> Registration:
    """Return the record after an Update; the same object if it need not be published.

    Args:
        record: As it is.
        parameters: What the Update names.
        now: The time.
        address: Where the device is, if the record does not say so.
        heard_at: When it has spoken from there.
    """
    lifetime = record.lifetime if parameters.lifetime is None else parameters.lifetime
    listed = parameters.objects
    root = record.root if listed is None else listed.root_after(record.root)
    changed = msgspec.structs.replace(
        record,
        lifetime=lifetime,
        queue_mode=record.queue_mode if parameters.queue_mode is None else parameters.queue_mode,
        root=root,
        objects=record.objects if listed is None else listed.objects(root),
    )
    if address is not None:
        changed = change_address(changed, address, heard_at)
    if changed == record and now < record.expires_at.timestamp() - lifetime * (1 - REFRESH_FRACTION):
        return record
    return msgspec.structs.replace(changed, occurred_at=utc(now), expires_at=utc(now + lifetime))


def latest_expiry(record: Registration) -> float:
    """Return when the lifetime ends at the latest, for a record that was read back."""
    return record.expires_at.timestamp() + record.lifetime * REFRESH_FRACTION


def deregister(record: Registration, now: float) -> Registration:
    """Return the record of a device that has deregistered or expired."""
    return msgspec.structs.replace(record, deregistered=True, occurred_at=utc(now))


def change_address(record: Registration, address: str, heard_at: float) -> Registration:
    """Return the record of a device that has spoken from an address that it did not have."""
    return msgspec.structs.replace(
        record, address=address, address_epoch=_milliseconds(heard_at), occurred_at=utc(heard_at)
    )


def close_download(record: Registration, command: CloseDownload, at: datetime) -> Registration:
    """Return the record with an attempt fenced; another attempt stays as it is."""
    if record.current_attempt != attempt_of(command):
        return record
    return msgspec.structs.replace(record, current_attempt=None, occurred_at=at)


def is_closed_by(command: DeviceRequests, close: CloseDownload) -> bool:
    """Return whether a close ends a command that came before it: one of the same attempt, unless it cancels."""
    cancels = any(isinstance(request, CancelObserve) for request in command.requests)
    return not cancels and attempt_of(command) == attempt_of(close)


def attempt_of(command: Lwm2mCommand) -> AttemptRef | None:
    """Return the attempt that a command serves; None for a device command."""
    if command.execution_id is None:
        return None
    return AttemptRef(execution_id=command.execution_id, attempt=command.attempt)


def prepare(record: Registration, command: DeviceRequests, token: str, now: float) -> Registration:
    """Return the record as it must be in Kafka before anything of a command is sent.

    The same object if the command changes nothing.

    Args:
        record: As it is.
        command: What will be sent.
        token: A fresh CoAP token, hex, for an attempt that has not observed before.
        now: The time.
    """
    attempt = attempt_of(command)
    changed = record
    for request in command.requests:
        match request:
            case Observe() if attempt is not None and attempt != changed.observe_attempt:
                changed = msgspec.structs.replace(changed, observe_token=token, observe_attempt=attempt)
            case WritePackageUri() if attempt is not None:
                changed = msgspec.structs.replace(changed, current_attempt=attempt)
            case Execute():
                changed = msgspec.structs.replace(changed, last_execute_id=command.command_id)
            case _:
                pass
    return record if changed == record else msgspec.structs.replace(changed, occurred_at=utc(now))


def restore_last_execute(record: Registration, command: DeviceRequests, before: str | None, now: float) -> Registration:
    """Return the record after a command was not sent, or refused by a busy device: its Execute may come again.

    Args:
        record: As it is.
        command: The command.
        before: The last Execute before it, which was sent.
        now: The time.
    """
    if record.last_execute_id != command.command_id:
        return record
    return msgspec.structs.replace(record, last_execute_id=before, occurred_at=utc(now))


def observes(record: Registration, command: DeviceRequests) -> bool:
    """Return whether the observation belongs to the execution that a command serves, whichever attempt began it."""
    observer = record.observe_attempt
    return observer is not None and observer.execution_id == command.execution_id


def clear_observation(record: Registration, command: DeviceRequests, now: float) -> Registration:
    """Return the record after a command; without the observation if the command cancels it, answered or not.

    A device that did not get the cancellation gets a Reset to its next notification (RFC 7641 §3.6).
    """
    cancels = any(isinstance(request, CancelObserve) for request in command.requests)
    if not cancels or not observes(record, command):
        return record
    return msgspec.structs.replace(record, observe_token=None, observe_attempt=None, occurred_at=utc(now))


def _milliseconds(seconds: float) -> int:
    return int(seconds * _MILLISECONDS)

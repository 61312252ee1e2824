"""The record of one device: its registration, its active execution, its commands, and what has ended.

The record is all that `decide` knows; it is stored whole, one per device. Fields that users see are kept as the
snapshots want them (`datetime`), those that rules compare as seconds since 1970. Leaves out its bytes (`records`).
"""

from enum import StrEnum

import msgspec

from sluice_common.messages.lwm2m_commands import DeviceRequest
from sluice_rules.devices.execution import Execution


class Link(msgspec.Struct, frozen=True, array_like=True):
    """How the device is reached.

    Attributes:
        gateway: Ordinal of the gateway that owns the registration.
        epoch: Of the registration; a lower one is outdated.
        awake_until: Seconds since 1970 until which it answers without speaking first.
        queue_mode: Whether it sleeps.
    """

    gateway: int
    epoch: int
    awake_until: float
    queue_mode: bool = False


class CommandState(StrEnum):
    """State of an unfinished device command."""

    PENDING = "PENDING"
    SENT = "SENT"


class DeviceCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An unfinished device command (R111).

    Attributes:
        deadline: Seconds since 1970: when it expires, or a busy device is asked again, while pending; when its
            answer is overdue while sent.
        expires_at: Seconds since 1970; not sent after this.
        ask_at: Seconds since 1970 before which a busy device does not want it again; 0 if it is not busy.
        epoch: Registration that it was last sent to.
        version: Of its last snapshot.
    """

    command_id: str
    app_id: str
    request: DeviceRequest
    expires_at: float
    deadline: float
    state: CommandState = CommandState.PENDING
    ask_at: float = 0.0
    epoch: int = -1
    version: int = 0


class UnknownVersion(msgspec.Struct, frozen=True, array_like=True):
    """An upgrade has ended while the device may have been installing: who knows which version it will run?

    Attributes:
        execution_id: The upgrade.
        attempt: Its last attempt.
        is_mqtt: How the device is asked.
        target: The version that it may come to run.
        until: Until when another version may be that of before, seconds since 1970.
    """

    execution_id: str
    attempt: int
    is_mqtt: bool
    target: str
    until: float


class Device(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that the rules know of one device.

    Attributes:
        device_id: The device.
        offset: Offset of the last event that changed the record; that one and earlier ones are done.
        link: How it is reached; None until it registers.
        execution: The active execution, at most one.
        commands: Unfinished device commands, oldest first.
        ended: Ids of ended executions and when they ended, seconds since 1970, oldest first. They outlive the
            retention of the input topics, so that late duplicates are known for what they are.
        ended_commands: The same of device commands, but only of so many: one that comes again is asked again.
        firmware_version: The version that readers know; None before the device has reported any.
        unknown_version: Set if that may not be true any more; asked at the device's registrations.
    """

    device_id: str
    offset: int = -1
    link: Link | None = None
    execution: Execution | None = None
    commands: tuple[DeviceCommand, ...] = ()
    ended: dict[str, float] = {}
    ended_commands: dict[str, float] = {}
    firmware_version: str | None = None
    unknown_version: UnknownVersion | None = None


class Deadline(msgspec.Struct, frozen=True, order=True):
    """A deadline of a record; the fields are those of `DeadlinePassed`."""

    at: float
    app_id: str
    subject: str
    attempt: int
    step: str


def deadlines(device: Device) -> list[Deadline]:
    """Return every deadline of the record: one of the active execution, one of each device command."""
    found = [Deadline(c.deadline, c.app_id, c.command_id, 0, c.state.value) for c in device.commands]
    execution = device.execution
    if execution is not None:
        found.append(
            Deadline(
                execution.deadline,
                execution.app_id,
                execution.execution_id,
                execution.attempt.number,
                execution.step.value,
            )
        )
    return found

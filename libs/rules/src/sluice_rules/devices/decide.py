"""`decide`: everything about one device (`docs/upgrade.md`).

    device' , effects = decide(device, event, offset, rules)

Pure: it knows no clock, no socket, no Kafka. Its inputs are at least once and from many partitions, so:

1. An event at or below the offset of the record is done already and changes nothing: replaying any suffix is harmless.
2. An event that names an execution, attempt, command, grant or deadline that the record does not have is late or
   doubled; it changes nothing, except that a grant that nobody wants is returned.
3. Lost events are made up for by deadlines (`device.deadlines`): each step has one.

Leaves out the steps' own rules (`steps`), how things end (`endings`), bytes and timers (the stage's shell).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from sluice_common.messages.device_events import (
    CommandOutcome,
    DeadlinePassed,
    DeviceCommandCancelRequested,
    DeviceCommandRequested,
    DeviceDeleted,
    DeviceDeregistered,
    DeviceEvent,
    DeviceUplink,
    DownloadProgressed,
    ExecutionRequested,
    ExecutionStopRequested,
    FirmwareStateNotified,
    SlotGranted,
    SlotProbed,
    UpgradeProgressReported,
    VersionReported,
)
from sluice_rules.devices import device_commands, handlers, slots
from sluice_rules.devices.device import Device
from sluice_rules.devices.effects import Effect
from sluice_rules.devices.rules import Rules
from sluice_rules.devices.steps import steps_of
from sluice_rules.devices.transition import Transition


class Decision(msgspec.Struct, frozen=True):
    """What follows from an event.

    Attributes:
        device: The record from now on; the very same object if nothing changed, None if there is none (any more).
        effects: What is to be sent, in order.
    """

    device: Device | None
    effects: list[Effect]


def decide(device: Device | None, event: DeviceEvent, offset: int, rules: Rules, decided_at: float = 0.0) -> Decision:
    """Apply one event to the record of its device.

    Args:
        device: The record; None for a device never heard of.
        event: What happened.
        offset: Where the event stands in its partition of `device-events`.
        rules: Figures.
        decided_at: When it is decided on, seconds since 1970; matters only if that is late (`Rules.late`).
    """
    before = device or Device(device_id=event.device_id)
    if offset <= before.offset:
        return Decision(device, [])
    if isinstance(event, DeviceDeleted):
        # A device is deleted when nothing is under way, and this comes days after that.
        return Decision(device if before.execution or before.commands else None, [])
    transition = Transition(before, event, offset, rules, steps_of, decided_at=decided_at)
    _HANDLERS[type(event)](transition, event)
    transition.publish_if_visible()
    if transition.device == before:
        return Decision(device, transition.effects)
    transition.device.offset = offset
    return Decision(transition.device, transition.effects)


_HANDLERS: dict[type, Callable[[Transition, Any], None]] = {
    ExecutionRequested: handlers.on_execution_requested,
    ExecutionStopRequested: handlers.on_stop_requested,
    DeviceCommandRequested: device_commands.request,
    DeviceCommandCancelRequested: device_commands.cancel,
    DeviceUplink: handlers.on_uplink,
    DeviceDeregistered: handlers.on_deregistered,
    CommandOutcome: handlers.on_outcome,
    FirmwareStateNotified: handlers.on_notified,
    VersionReported: handlers.on_version_reported,
    UpgradeProgressReported: handlers.on_progress_reported,
    DownloadProgressed: handlers.on_download_progressed,
    SlotGranted: slots.on_granted,
    SlotProbed: slots.on_probed,
    DeadlinePassed: handlers.on_deadline_passed,
}

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
    DeviceDeregistered,
    DeviceEvent,
    DeviceUplink,
    DownloadProgressed,
    ExecutionRequested,
    ExecutionStopRequested,
    FirmwareStateNotified,
    OutcomeStatus,
    SlotGranted,
    SlotProbed,
    UpgradeProgressReported,
    VersionReported,
)
from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import device_commands
from sluice_rules.devices.attempt import Attempt, SlotState
from sluice_rules.devices.completion import refuse, stop, stop_unknown
from sluice_rules.devices.device import Device, Link
from sluice_rules.devices.effects import Effect
from sluice_rules.devices.execution import Execution
from sluice_rules.devices.readings import text
from sluice_rules.devices.rules import Rules
from sluice_rules.devices.steps import slot, steps_of
from sluice_rules.devices.transition import Transition


class Decision(msgspec.Struct, frozen=True):
    """What follows from an event.

    Attributes:
        device: The record from now on; the very same object if nothing changed, None if there is still none.
        effects: What is to be sent, in order.
    """

    device: Device | None
    effects: list[Effect]


def decide(device: Device | None, event: DeviceEvent, offset: int, rules: Rules) -> Decision:
    """Apply one event to the record of its device.

    Args:
        device: The record; None for a device never heard of.
        event: What happened.
        offset: Where the event stands in its partition of `device-events`.
        rules: Figures.
    """
    before = device or Device(device_id=event.device_id)
    if offset <= before.offset:
        return Decision(device, [])
    transition = Transition(before, event, offset, rules, steps_of)
    _HANDLERS[type(event)](transition, event)
    transition.publish_if_visible()
    if transition.device == before:
        return Decision(device, transition.effects)
    transition.device.offset = offset
    return Decision(transition.device, transition.effects)


def _execution_requested(transition: Transition, event: ExecutionRequested) -> None:
    """Begin an execution; a device that is taken refuses it (D08)."""
    active = transition.device.execution
    if event.execution_id in transition.device.ended:
        return
    if active is not None and active.execution_id == event.execution_id:
        return
    execution = Execution(
        execution_id=event.execution_id,
        task_id=event.task_id,
        app_id=event.app_id,
        product=event.product,
        package=event.package,
        policy=event.policy,
        created_at=event.created_at,
        attempt=Attempt(),
    )
    if active is not None or transition.device.commands:
        refuse(transition, execution, ReasonCode.TASK_CONFLICT)
        return
    transition.device.execution = execution
    transition.enter(Step.WAITING)


def _stop_requested(transition: Transition, event: ExecutionStopRequested) -> None:
    active = transition.device.execution
    if active is not None and active.execution_id == event.execution_id:
        stop(transition, event)
    elif event.execution_id not in transition.device.ended:
        stop_unknown(transition, event)


def _uplink(transition: Transition, event: DeviceUplink) -> None:
    """Note how the device is reached and let whatever waits for it go on."""
    link, awake_until = transition.device.link, event.awake_until.timestamp()
    if link is not None and event.epoch < link.epoch:
        return
    if link is not None and event.epoch == link.epoch:
        awake_until = max(awake_until, link.awake_until)
    transition.device.link = Link(event.gateway, event.epoch, awake_until, event.queue_mode)
    if transition.device.execution is not None:
        transition.step.on_uplink(transition)
    else:
        device_commands.send_next(transition)


def _deregistered(transition: Transition, event: DeviceDeregistered) -> None:
    link = transition.device.link
    if link is not None and event.epoch >= link.epoch:
        transition.see_asleep()


def _outcome(transition: Transition, event: CommandOutcome) -> None:
    """Give an outcome to whom it belongs; one that nobody awaits is history."""
    if event.execution_id is None:
        device_commands.on_outcome(transition, event)
        return
    execution = transition.device.execution
    if execution is None:
        return
    if execution.awaited is None or execution.awaited.command_id != event.command_id:
        _outcome_too_late(transition, event)
        return
    transition.see_awake(event.awake_until)
    if event.status is OutcomeStatus.ASLEEP and execution.awaited.epoch == transition.link.epoch:
        transition.see_asleep()
    transition.step.on_outcome(transition, event)


def _outcome_too_late(transition: Transition, event: CommandOutcome) -> None:
    """Give a device that lost its slot by silence another one, once, if it was Kafka or the gateway that was late."""
    execution = transition.execution
    attempt = execution.attempt
    is_of_attempt = (execution.execution_id, attempt.number) == (event.execution_id, event.attempt)
    gave_up = attempt.slot_yields == 1 and (execution.step is Step.CLOSING or attempt.slot is SlotState.KEPT)
    if is_of_attempt and gave_up and _may_answer(transition, event):
        transition.see_awake(event.awake_until)
        transition.step.on_uplink(transition)


def _may_answer(transition: Transition, event: CommandOutcome) -> bool:
    """Return whether the device answered, was not asked, or can still be reached."""
    was_not_silent = event.status in (OutcomeStatus.DONE, OutcomeStatus.STALE)
    return was_not_silent or (event.awake_until is not None and event.awake_until.timestamp() > transition.now)


def _notified(transition: Transition, event: FirmwareStateNotified) -> None:
    """Let the step follow the device; what belongs to an earlier attempt only matters to who awaits its end."""
    execution = transition.device.execution
    if execution is None or execution.execution_id != event.execution_id:
        return
    if event.attempt == execution.attempt.number or execution.step is Step.QUERY_VERSION:
        transition.see_awake(event.awake_until)
        transition.step.on_notified(transition, event.state)


def _version_reported(transition: Transition, event: VersionReported) -> None:
    """Let the step see the version of an MQTT device that is being upgraded."""
    execution = transition.device.execution
    if execution is not None and execution.is_mqtt:
        transition.see_online()
        transition.step.on_version(transition, text(event.firmware_version))


def _progress_reported(transition: Transition, event: UpgradeProgressReported) -> None:
    """Let the step see how the upgrade of an MQTT device goes."""
    execution = transition.device.execution
    if execution is not None and execution.is_mqtt:
        transition.see_online()
        transition.step.on_progress(transition, event)


def _download_progressed(transition: Transition, event: DownloadProgressed) -> None:
    """Let the step see that the image of the running attempt is being fetched."""
    execution = transition.device.execution
    if execution is not None and execution.is_mqtt and _is_running(execution, event):
        transition.step.on_served(transition, complete=event.complete)


def _is_running(execution: Execution, event: DownloadProgressed) -> bool:
    return (execution.execution_id, execution.attempt.number) == (event.execution_id, event.attempt)


def _granted(transition: Transition, event: SlotGranted) -> None:
    """Take a grant that answers the current ask, ignore the one that is held, return any other."""
    state = _state_of(transition, event)
    if state is SlotState.ASKED:
        slot.granted(transition)
    elif state is not SlotState.HELD:
        transition.return_grant(event.window, event.grant, keep_place=state is SlotState.KEPT)


def _probed(transition: Transition, event: SlotProbed) -> None:
    """Hold exactly the grant that the record holds, return any other."""
    state = _state_of(transition, event)
    if state is SlotState.HELD:
        transition.hold_grant(event.window, event.grant)
    elif state is SlotState.ASKED:
        slot.grant_lost(transition)
    else:
        transition.return_grant(event.window, event.grant, keep_place=state is SlotState.KEPT)


def _state_of(transition: Transition, event: SlotGranted | SlotProbed) -> SlotState:
    """Return what the record has of exactly this grant."""
    execution = transition.device.execution
    if execution is None or (execution.grant, execution.window) != (event.grant, event.window):
        return SlotState.NONE
    return execution.attempt.slot


def _deadline_passed(transition: Transition, event: DeadlinePassed) -> None:
    """Let the step act on exactly the deadline that it has; anything else was overtaken."""
    execution = transition.device.execution
    if execution is None or execution.execution_id != event.subject:
        device_commands.on_deadline(transition, event)
    elif (execution.attempt.number, execution.step.value, execution.deadline) == (
        event.attempt,
        event.step,
        event.deadline,
    ):
        transition.step.on_deadline(transition)


_HANDLERS: dict[type, Callable[[Transition, Any], None]] = {
    ExecutionRequested: _execution_requested,
    ExecutionStopRequested: _stop_requested,
    DeviceCommandRequested: device_commands.request,
    DeviceCommandCancelRequested: device_commands.cancel,
    DeviceUplink: _uplink,
    DeviceDeregistered: _deregistered,
    CommandOutcome: _outcome,
    FirmwareStateNotified: _notified,
    VersionReported: _version_reported,
    UpgradeProgressReported: _progress_reported,
    DownloadProgressed: _download_progressed,
    SlotGranted: _granted,
    SlotProbed: _probed,
    DeadlinePassed: _deadline_passed,
}

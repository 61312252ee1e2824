"""What each event does to the record of its device, before the step that the execution is in sees it.

An event that names an execution, attempt, command or deadline that the record does not have is late or doubled, and
changes nothing. Grants and probes are in `slots`.
"""

from sluice_common.messages.device_events import (
    CommandOutcome,
    DeadlinePassed,
    DeviceDeregistered,
    DeviceUplink,
    DownloadProgressed,
    ExecutionRequested,
    ExecutionStopRequested,
    FirmwareStateNotified,
    OutcomeStatus,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import device_commands, inventory
from sluice_rules.devices.attempt import Attempt, SlotState
from sluice_rules.devices.completion import stop
from sluice_rules.devices.device import Link
from sluice_rules.devices.endings import refuse, stop_unknown
from sluice_rules.devices.execution import Awaited, Execution
from sluice_rules.devices.judgements import DOWNLOADED, NOT_SENT
from sluice_rules.devices.readings import text
from sluice_rules.devices.transition import Transition


def on_execution_requested(transition: Transition, event: ExecutionRequested) -> None:
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
        traceparent=event.traceparent,
    )
    if active is not None or transition.device.commands:
        refuse(transition, execution, ReasonCode.TASK_CONFLICT)
        return
    transition.device.execution = execution
    transition.enter(Step.WAITING)


def on_stop_requested(transition: Transition, event: ExecutionStopRequested) -> None:
    """Stop the execution; one that was never requested is remembered as stopped."""
    active = transition.device.execution
    if active is not None and active.execution_id == event.execution_id:
        stop(transition, event)
    elif event.execution_id not in transition.device.ended:
        stop_unknown(transition, event)


def on_uplink(transition: Transition, event: DeviceUplink) -> None:
    """Note how the device is reached and let whatever waits for it go on."""
    link, awake_until = transition.device.link, event.awake_until.timestamp()
    if link is not None and (event.epoch, event.gateway) < (link.epoch, link.gateway):  # as the gateways compare
        return
    if link is not None and event.epoch == link.epoch:
        awake_until = max(awake_until, link.awake_until)
    is_new = link is not None and event.epoch > link.epoch
    transition.device.link = Link(event.gateway, event.epoch, awake_until, event.queue_mode)
    if transition.device.execution is not None:
        if is_new and transition.execution.ask_at:
            transition.execution.ask_at = transition.now  # a device that has restarted is not busy with the same thing
        transition.step.on_uplink(transition)
    else:
        if event.kind is UplinkKind.REGISTER:
            inventory.ask_version(transition)
        device_commands.send_next(transition)


def on_deregistered(transition: Transition, event: DeviceDeregistered) -> None:
    """Note that the device has left, unless it has registered anew since."""
    link = transition.device.link
    if link is not None and event.epoch >= link.epoch:
        transition.see_asleep()


def on_outcome(transition: Transition, event: CommandOutcome) -> None:
    """Give an outcome to whom it belongs; one that nobody awaits is history.

    A command that is decided on twice goes out twice under one id, and may be answered twice: by a copy that came too
    late to be sent, and by one that was sent. The latter counts, as long as nothing else was asked.
    """
    if event.execution_id is None:
        device_commands.on_outcome(transition, event)
        return
    execution = transition.device.execution
    if execution is None:
        return
    if event.command_id == execution.not_sent and execution.awaited is None and event.status not in NOT_SENT:
        execution.awaited = Awaited(event.command_id, transition.link.epoch)
    if execution.awaited is None or execution.awaited.command_id != event.command_id:
        _outcome_too_late(transition, event)
        return
    execution.not_sent = event.command_id if event.status in NOT_SENT else None
    transition.see_awake(event.awake_until)
    transition.see_fetching(event)
    if event.status is OutcomeStatus.ASLEEP and execution.awaited.epoch == transition.link.epoch:
        transition.see_asleep()
    transition.step.on_outcome(transition, event)


def _outcome_too_late(transition: Transition, event: CommandOutcome) -> None:
    """Learn that the Execute was not sent, and give a device that lost its slot by silence another one, once.

    The latter only if it was Kafka or the gateway that was late.
    """
    execution = transition.execution
    attempt = execution.attempt
    is_of_attempt = (execution.execution_id, attempt.number) == (event.execution_id, event.attempt)
    if event.command_id == attempt.execute_id and event.status in NOT_SENT and attempt.firmware_state == DOWNLOADED:
        attempt.unsent = True
        if execution.step is Step.UPDATING and execution.awaited is None:
            transition.step.on_uplink(transition)
    gave_up = attempt.slot_yields == 1 and (execution.step is Step.CLOSING or attempt.slot is SlotState.KEPT)
    if is_of_attempt and gave_up and _may_answer(transition, event):
        transition.see_awake(event.awake_until)
        transition.step.on_uplink(transition)


def _may_answer(transition: Transition, event: CommandOutcome) -> bool:
    """Return whether the device answered, was not asked, or can still be reached."""
    was_not_silent = event.status in (OutcomeStatus.DONE, OutcomeStatus.STALE)
    return was_not_silent or (event.awake_until is not None and event.awake_until.timestamp() > transition.now)


def on_notified(transition: Transition, event: FirmwareStateNotified) -> None:
    """Let the step follow the device; what belongs to an earlier attempt only matters to who awaits its end."""
    execution = transition.device.execution
    if execution is None or execution.execution_id != event.execution_id:
        return
    if event.attempt == execution.attempt.number or execution.step is Step.QUERY_VERSION:
        transition.see_awake(event.awake_until)
        transition.see_fetching(event)
        transition.step.on_notified(transition, event.state)


def on_version_reported(transition: Transition, event: VersionReported) -> None:
    """Let the step see the version of an MQTT device that is being upgraded, and readers that of any other."""
    execution, version = transition.device.execution, text(event.firmware_version)
    if execution is not None:
        if not execution.is_mqtt:
            return
        if event.live:
            transition.see_online()
        transition.step.on_version(transition, version)
    inventory.see_version(transition, version)


def on_progress_reported(transition: Transition, event: UpgradeProgressReported) -> None:
    """Let the step see how the upgrade of an MQTT device goes, and readers that one ended well that was given up."""
    execution = transition.device.execution
    if execution is None:
        inventory.see_version(transition, text(event.version) if inventory.tells_success(event) else None)
    elif execution.is_mqtt:
        if event.live:
            transition.see_online()
        transition.step.on_progress(transition, event)


def on_download_progressed(transition: Transition, event: DownloadProgressed) -> None:
    """Let the step see that the image of the running attempt is being fetched."""
    execution = transition.device.execution
    if execution is not None and execution.is_mqtt and _is_running(execution, event):
        transition.step.on_served(transition, complete=event.complete)


def _is_running(execution: Execution, event: DownloadProgressed) -> bool:
    return (execution.execution_id, execution.attempt.number) == (event.execution_id, event.attempt)


def on_deadline_passed(transition: Transition, event: DeadlinePassed) -> None:
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

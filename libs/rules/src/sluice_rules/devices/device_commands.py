"""Requests that app servers send to a device outside of upgrades (R111, R112, D08).

They wait for the device's next uplink, go out one at a time and oldest first, and expire. A busy device is asked again
when it wants to be, until then. They and an execution exclude each other: what loses that race is refused.
"""

from typing import Any

from msgspec.structs import replace

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeadlinePassed,
    DeviceCommandCancelRequested,
    DeviceCommandRequested,
    OutcomeStatus,
    RequestResult,
)
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceCommandStatus
from sluice_common.messages.lwm2m_commands import DeviceRequests
from sluice_rules.devices import inventory
from sluice_rules.devices.device import CommandState, DeviceCommand
from sluice_rules.devices.effects import ToGateway
from sluice_rules.devices.judgements import NOT_SENT
from sluice_rules.devices.transition import Transition


def request(transition: Transition, event: DeviceCommandRequested) -> None:
    """Accept a command and send it if its turn has come already."""
    if event.command_id in transition.device.ended_commands or _find(transition, event.command_id):
        return
    expires_at = event.expires_at.timestamp()
    command = DeviceCommand(
        command_id=event.command_id,
        app_id=event.app_id,
        request=event.request,
        expires_at=expires_at,
        deadline=expires_at,
    )
    if transition.device.execution is not None:
        _end(transition, command, DeviceCommandStatus.FAILED, detail="task_conflict")
    elif len(transition.device.commands) >= transition.rules.max_commands:
        _end(transition, command, DeviceCommandStatus.FAILED, detail="too_many_commands")
    else:
        transition.device.commands = (*transition.device.commands, command)
        if not send_next(transition):
            _publish(transition, command, DeviceCommandStatus.PENDING)


def cancel(transition: Transition, event: DeviceCommandCancelRequested) -> None:
    """Take back a command that has not been sent."""
    command = _find(transition, event.command_id)
    if command is not None and command.state is CommandState.PENDING:
        _end(transition, command, DeviceCommandStatus.CANCELLED)
        send_next(transition)


def send_next(transition: Transition) -> bool:
    """Send the oldest pending command if the device is awake and none is under way; return whether it went."""
    commands = transition.device.commands
    if not commands or not transition.awake or any(c.state is CommandState.SENT for c in commands):
        return False
    command = commands[0]
    if command.ask_at > transition.now:
        return False
    sent = replace(
        command,
        state=CommandState.SENT,
        ask_at=0.0,
        deadline=transition.after(transition.rules.command_answer),
        epoch=transition.link.epoch,
    )
    message = DeviceRequests(
        **transition.head(command.app_id),
        command_id=command.command_id,
        epoch=transition.link.epoch,
        expires_at=utc(min(sent.deadline, command.expires_at)),
        requests=(command.request,),
    )
    transition.effects.append(ToGateway(transition.link.gateway, message))
    _publish(transition, sent, DeviceCommandStatus.SENT)
    return True


def on_outcome(transition: Transition, outcome: CommandOutcome) -> None:
    """End the command with the device's answer; one that was not sent waits on.

    Of a command that went out twice, as it was decided on twice, the copy that was sent counts (`handlers.on_outcome`).
    """
    inventory.see_results(transition, outcome.results)
    command, is_not_sent = _find(transition, outcome.command_id), outcome.status in NOT_SENT
    if command is None or (is_not_sent and command.state is not CommandState.SENT):
        return
    if is_not_sent:
        pending = replace(command, state=CommandState.PENDING, deadline=command.expires_at)
        _publish(transition, pending, DeviceCommandStatus.PENDING)
        if command.epoch < transition.link.epoch:
            send_next(transition)
        elif outcome.status is OutcomeStatus.ASLEEP:
            transition.see_asleep()
    elif outcome.status is OutcomeStatus.DONE and outcome.results:
        result = outcome.results[0]
        if _put_off(transition, command, result):
            return
        status = DeviceCommandStatus.SUCCEEDED if result.ok else DeviceCommandStatus.FAILED
        _end(transition, command, status, code=result.code, values=result.values, detail=result.error)
        send_next(transition)
    else:
        _end(transition, command, DeviceCommandStatus.FAILED, detail=outcome.status.value)


def _put_off(transition: Transition, command: DeviceCommand, result: RequestResult) -> bool:
    """Wait for a device that is busy; return False if it is not, or until the command has expired."""
    if result.max_age is None:
        return False
    ask_at = transition.now + max(result.max_age, transition.rules.least_wait)
    if ask_at >= command.expires_at:
        return False
    pending = replace(command, state=CommandState.PENDING, deadline=ask_at, ask_at=ask_at)
    _publish(transition, pending, DeviceCommandStatus.PENDING)
    return True


def on_deadline(transition: Transition, event: DeadlinePassed) -> None:
    """Expire a pending command, or send it to a device that was busy; give up the answer to one that was sent."""
    command = _find(transition, event.subject)
    if command is None or (command.state.value, command.deadline) != (event.step, event.deadline):
        return
    if command.ask_at:
        waiting = replace(command, deadline=command.expires_at, ask_at=0.0)
        transition.device.commands = tuple(waiting if c is command else c for c in transition.device.commands)
        send_next(transition)
    elif command.state is CommandState.PENDING:
        _end(transition, command, DeviceCommandStatus.EXPIRED)
    else:
        _end(transition, command, DeviceCommandStatus.FAILED, detail=OutcomeStatus.TIMEOUT.value)
        send_next(transition)


def _find(transition: Transition, command_id: str) -> DeviceCommand | None:
    return next((c for c in transition.device.commands if c.command_id == command_id), None)


def _end(transition: Transition, command: DeviceCommand, status: DeviceCommandStatus, **outcome: Any) -> None:
    _publish(transition, command, status, **outcome)
    transition.device.commands = tuple(c for c in transition.device.commands if c.command_id != command.command_id)
    _add_tombstone(transition, command.command_id)


def _add_tombstone(transition: Transition, command_id: str) -> None:
    """Keep the id of what has ended, for as long as a duplicate may come, but only of so many."""
    oldest = transition.now - transition.rules.ended_kept
    kept = [(key, at) for key, at in transition.device.ended_commands.items() if at > oldest]
    transition.device.ended_commands = dict([*kept, (command_id, transition.now)][-transition.rules.max_ended :])


def _publish(transition: Transition, command: DeviceCommand, status: DeviceCommandStatus, **outcome: Any) -> None:
    """Make a snapshot of a command and keep the command as it is now."""
    kept = replace(command, version=command.version + 1)
    transition.device.commands = tuple(
        kept if c.command_id == kept.command_id else c for c in transition.device.commands
    )
    message = DeviceCommandChanged(
        **transition.head(command.app_id),
        command_id=command.command_id,
        version=kept.version,
        status=status,
        **outcome,
    )
    transition.effects.append(message)

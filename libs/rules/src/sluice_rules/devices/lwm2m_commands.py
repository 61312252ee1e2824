"""What goes to LwM2M devices and their gateway; the outcome of the newest command is awaited."""

from sluice_common.messages.base import utc
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequest, DeviceRequests
from sluice_rules.devices.effects import ToGateway
from sluice_rules.devices.execution import Awaited
from sluice_rules.devices.transition import Transition


def ask(transition: Transition, *requests: DeviceRequest) -> None:
    """Send requests to the device if it is awake; not sent after the deadline."""
    if transition.awake:
        send(transition, transition.command_id(), *requests)


def send(transition: Transition, command_id: str, *requests: DeviceRequest) -> None:
    """Send requests under a given id, awake or not; their outcome is awaited."""
    execution = transition.execution
    _await(
        transition,
        DeviceRequests(
            **transition.head(execution.app_id),
            command_id=command_id,
            execution_id=execution.execution_id,
            attempt=execution.attempt.number,
            epoch=transition.link.epoch,
            expires_at=utc(execution.deadline),
            requests=requests,
        ),
    )


def close_download(transition: Transition) -> None:
    """Have each gateway that may serve the attempt's image serve no more of it; nothing waits for that."""
    for gateway in _opened_at(transition):
        transition.effects.append(ToGateway(gateway, _close(transition, is_awaited=False)))


def close_next_download(transition: Transition) -> None:
    """Have the first gateway that may serve the attempt's image serve no more of it, and await its outcome.

    The one that owns the device now cannot answer for another: that one serves until it has heard of it.
    """
    close = _close(transition, is_awaited=True)
    transition.execution.awaited = Awaited(close.command_id, transition.link.epoch)
    transition.effects.append(ToGateway(_opened_at(transition)[0], close))


def note_closed(transition: Transition) -> bool:
    """Note that the gateway whose outcome was awaited serves no more; return whether none does now."""
    attempt = transition.execution.attempt
    attempt.opened_at = attempt.opened_at[1:]
    return not attempt.opened_at


def _opened_at(transition: Transition) -> tuple[int, ...]:
    """Return the gateways; of an attempt that was begun by an older version, the owner's."""
    return transition.execution.attempt.opened_at or (transition.link.gateway,)


def _close(transition: Transition, *, is_awaited: bool) -> CloseDownload:
    execution = transition.execution
    return CloseDownload(
        **transition.head(execution.app_id),
        command_id=f"{transition.command_id()}:close",  # the same event may ask the device something
        execution_id=execution.execution_id,
        attempt=execution.attempt.number,
        is_awaited=is_awaited,
    )


def _await(transition: Transition, command: DeviceRequests) -> None:
    transition.execution.awaited = Awaited(command.command_id, transition.link.epoch)
    transition.effects.append(ToGateway(transition.link.gateway, command))

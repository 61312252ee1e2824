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


def close_download(transition: Transition, *, awaited: bool) -> None:
    """Have the gateway serve no more of the attempt's image; this needs no reachable device."""
    execution = transition.execution
    close = CloseDownload(
        **transition.head(execution.app_id),
        command_id=f"{transition.command_id()}:close",  # the same event may ask the device something
        execution_id=execution.execution_id,
        attempt=execution.attempt.number,
        is_awaited=awaited,
    )
    if awaited:
        _await(transition, close)
    else:
        transition.effects.append(ToGateway(transition.link.gateway, close))


def _await(transition: Transition, command: DeviceRequests | CloseDownload) -> None:
    transition.execution.awaited = Awaited(command.command_id, transition.link.epoch)
    transition.effects.append(ToGateway(transition.link.gateway, command))

"""Device commands: sent at the device's next uplink, taken back while they wait."""

from datetime import datetime

import msgspec

from sluice_api.application.ports import CommandRepository, DeviceConflicts
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import DeviceCommand
from sluice_api.domain.outbox import entry
from sluice_common.messages.device_events import DeviceCommandCancelRequested, DeviceCommandRequested
from sluice_common.messages.execution_events import DeviceCommandStatus
from sluice_common.messages.lwm2m_commands import DeviceRequest
from sluice_common.topics import DEVICE_EVENTS


async def create_command(
    commands: CommandRepository,
    conflicts: DeviceConflicts,
    command: DeviceCommand,
    request: DeviceRequest,
    traceparent: str | None,
) -> DeviceCommand:
    """Store a command for the scheduler, which sends and ends it.

    Raises:
        ConflictError: An upgrade of the device is active (D08).
    """
    await conflicts.require_idle(command.app_id, command.device_id)
    message = DeviceCommandRequested(
        app_id=command.app_id,
        occurred_at=command.created_at,
        traceparent=traceparent,
        device_id=command.device_id,
        command_id=command.command_id,
        request=request,
        expires_at=command.expires_at,
    )
    await commands.add(command, entry(DEVICE_EVENTS, command.device_id, message))
    return command


async def cancel_command(
    commands: CommandRepository, command: DeviceCommand, at: datetime, traceparent: str | None
) -> DeviceCommand:
    """Ask for a pending command to be taken back, and return it; the scheduler decides.

    Raises:
        ConflictError: It has been sent or has ended.
    """
    if command.status is not DeviceCommandStatus.PENDING:
        raise ConflictError("command_not_pending", f"The command is {command.status}.")
    if command.cancel_requested:
        return command
    message = DeviceCommandCancelRequested(
        app_id=command.app_id,
        occurred_at=at,
        traceparent=traceparent,
        device_id=command.device_id,
        command_id=command.command_id,
    )
    await commands.request_cancel(command.command_id, at, entry(DEVICE_EVENTS, command.device_id, message))
    return msgspec.structs.replace(command, cancel_requested=True)

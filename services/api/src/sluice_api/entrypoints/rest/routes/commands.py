"""Device commands."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.application import commands
from sluice_api.application.devices import require_device_protocol
from sluice_api.application.services import Services
from sluice_api.domain.commands import device_request
from sluice_api.domain.errors import NotFoundError
from sluice_api.domain.models import DeviceCommand, Protocol
from sluice_api.entrypoints.rest.dependencies import Operator, Reader, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.commands import Command, CommandIn, CommandPage, CommandQuery

router = APIRouter(
    route_class=GuardedRoute,
    prefix="/devices/{device_id}/commands",
    tags=["device commands"],
    responses=responses(HTTPStatus.NOT_FOUND),
)


@router.post("", status_code=HTTPStatus.CREATED, response_model=Command, responses=responses(HTTPStatus.CONFLICT))
async def create_command(
    caller: Operator, services: Wired, creation: Creation, device_id: str, body: CommandIn
) -> Response:
    """Have a request sent to an LwM2M device at its next uplink; 409 while an upgrade of it is active (D08)."""
    request = device_request(body.operation, body.path, body.value)
    device = await require_device_protocol(services, caller.app_id, device_id, Protocol.LWM2M)

    async def create(command_id: str) -> Command:
        created = await commands.create_command(
            services.commands,
            services.conflicts,
            command=body.command(command_id, device, services.now()),
            request=request,
            traceparent=caller.traceparent,
        )
        return Command.of(created)

    async def load(command_id: str) -> Command | None:
        command = await services.commands.find(caller.app_id, command_id)
        return Command.of(command) if command else None

    return await creation.answer(create, load)


@router.get("")
async def list_commands(
    caller: Reader, services: Wired, device_id: str, query: Annotated[CommandQuery, FromQuery()]
) -> CommandPage:
    """List the commands of a device (R111)."""
    await services.devices.get(caller.app_id, device_id)
    page = await services.commands.of_device(caller.app_id, device_id, query.status, query.limit, query.after)
    return CommandPage(items=[Command.of(item) for item in page.items], next=page.next)


@router.get("/{command_id}")
async def get_command(caller: Reader, services: Wired, device_id: str, command_id: str) -> Command:
    """Get a command with the device's answer."""
    return Command.of(await _command(services, caller.app_id, device_id, command_id))


@router.post("/{command_id}/cancel", status_code=HTTPStatus.ACCEPTED, responses=responses(HTTPStatus.CONFLICT))
async def cancel_command(caller: Operator, services: Wired, device_id: str, command_id: str) -> Command:
    """Take a pending command back; `status` becomes CANCELLED unless it was sent meanwhile."""
    command = await _command(services, caller.app_id, device_id, command_id)
    return Command.of(await commands.cancel_command(services.commands, command, services.now(), caller.traceparent))


async def _command(services: Services, app_id: str, device_id: str, command_id: str) -> DeviceCommand:
    command = await services.commands.get(app_id, command_id)
    if command.device_id != device_id:
        raise NotFoundError("command", command_id)
    return command

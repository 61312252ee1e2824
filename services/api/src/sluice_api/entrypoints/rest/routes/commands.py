"""Device commands and subscriptions."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.application.services import Services
from sluice_api.domain.callback_urls import CallbackUrlError, check_callback_url
from sluice_api.domain.commands import device_request
from sluice_api.domain.device_secrets import LWM2M, require_protocol
from sluice_api.domain.errors import InvalidError, NotFoundError
from sluice_api.entrypoints.rest.dependencies import App, Wired
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.commands import (
    Command,
    CommandIn,
    CommandPage,
    CommandQuery,
    Subscription,
    SubscriptionIn,
    SubscriptionPage,
    SubscriptionQuery,
)

router = APIRouter(
    prefix="/devices/{device_id}/commands", tags=["device commands"], responses=responses(HTTPStatus.NOT_FOUND)
)
subscriptions = APIRouter(prefix="/subscriptions", tags=["subscriptions"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=Command, responses=responses(HTTPStatus.CONFLICT))
async def create_command(caller: App, services: Wired, creation: Creation, device_id: str, body: CommandIn) -> Response:
    """Have a request sent to an LwM2M device at its next uplink; 409 while an upgrade of it is active (D08)."""
    request = device_request(body.operation, body.path, body.value)
    device = await services.devices.get(caller.app_id, device_id)
    require_protocol(await services.products.find(caller.app_id, device["product_id"]), LWM2M)

    async def create(command_id: str) -> Command:
        await services.conflicts.require_idle(caller.app_id, device)
        command = {
            "_id": command_id,
            "app_id": caller.app_id,
            "device_id": device_id,
            "group_ids": device["group_ids"],
        } | body.model_dump()
        return Command.of(await services.commands.create(command, request, services.now(), caller.traceparent))

    async def load(command_id: str) -> Command | None:
        document = await services.commands.find(caller.app_id, command_id)
        return Command.of(document) if document else None

    return await creation.answer(create, load)


@router.get("")
async def list_commands(
    caller: App, services: Wired, device_id: str, query: Annotated[CommandQuery, FromQuery()]
) -> CommandPage:
    """List the commands of a device (R111)."""
    await services.devices.get(caller.app_id, device_id)
    status = query.status.value if query.status else None
    documents, after = await services.commands.of_device(caller.app_id, device_id, status, query.limit, query.after)
    return CommandPage(items=[Command.of(d) for d in documents], next=after)


@router.get("/{command_id}")
async def get_command(caller: App, services: Wired, device_id: str, command_id: str) -> Command:
    """Get a command with the device's answer."""
    return await _command(services, caller.app_id, device_id, command_id)


@router.post("/{command_id}/cancel", status_code=HTTPStatus.ACCEPTED, responses=responses(HTTPStatus.CONFLICT))
async def cancel_command(caller: App, services: Wired, device_id: str, command_id: str) -> Command:
    """Take a pending command back; `status` becomes CANCELLED unless it was sent meanwhile."""
    await _command(services, caller.app_id, device_id, command_id)
    return Command.of(await services.commands.cancel(caller.app_id, command_id, services.now(), caller.traceparent))


async def _command(services: Services, app_id: str, device_id: str, command_id: str) -> Command:
    command = Command.of(await services.commands.get(app_id, command_id))
    if command.device_id != device_id:
        raise NotFoundError("command", command_id)
    return command


@subscriptions.post(
    "", status_code=HTTPStatus.CREATED, response_model=Subscription, responses=responses(HTTPStatus.CONFLICT)
)
async def create_subscription(caller: App, services: Wired, creation: Creation, body: SubscriptionIn) -> Response:
    """Have results or state changes posted to a URL."""
    try:
        check_callback_url(body.callback_url, allow_private=services.settings.callback_allow_private)
    except CallbackUrlError as error:
        raise InvalidError("callback_url", str(error), "callback_url_refused") from error

    async def create(subscription_id: str) -> Subscription:
        document = {"_id": subscription_id, "app_id": caller.app_id, "created_at": services.now()} | body.model_dump()
        document["secret"] = None if body.secret is None else services.sealer.seal(body.secret.encode())
        return Subscription.of(await services.subscriptions.insert(document, "The subscription exists already."))

    async def load(subscription_id: str) -> Subscription | None:
        document = await services.subscriptions.find(caller.app_id, subscription_id)
        return Subscription.of(document) if document else None

    return await creation.answer(create, load)


@subscriptions.get("")
async def list_subscriptions(
    caller: App, services: Wired, query: Annotated[SubscriptionQuery, FromQuery()]
) -> SubscriptionPage:
    """List subscriptions."""
    documents, after = await services.subscriptions.page(caller.app_id, query.wanted(), query.limit, query.after)
    return SubscriptionPage(items=[Subscription.of(d) for d in documents], next=after)


@subscriptions.get("/{subscription_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_subscription(caller: App, services: Wired, subscription_id: str) -> Subscription:
    """Get a subscription."""
    return Subscription.of(await services.subscriptions.get(caller.app_id, subscription_id))


@subscriptions.delete(
    "/{subscription_id}", status_code=HTTPStatus.NO_CONTENT, responses=responses(HTTPStatus.NOT_FOUND)
)
async def delete_subscription(caller: App, services: Wired, subscription_id: str) -> None:
    """Delete a subscription; callbacks that wait are given up."""
    await services.subscriptions.delete(caller.app_id, subscription_id)

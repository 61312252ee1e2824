"""Devices, one by one and in bulk."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery

from sluice_api.application import devices
from sluice_api.domain import models
from sluice_api.domain.device_secrets import NewDevice as DeviceOrder
from sluice_api.entrypoints.rest.dependencies import Operator, Reader, Settings, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import NO_STORE, Creation, Key, key_name
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.devices import (
    BulkResult,
    Device,
    DeviceChange,
    DeviceIn,
    DevicePage,
    DeviceQuery,
    DeviceSecret,
    NewDevice,
    SecretIn,
)
from sluice_api.entrypoints.rest.uploads.bulk import BulkUpload
from sluice_common.sealing import Sealer

router = APIRouter(route_class=GuardedRoute, prefix="/devices", tags=["devices"])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=Device | NewDevice,
    responses=responses(HTTPStatus.CONFLICT),
)
async def create_device(caller: Operator, services: Wired, creation: Creation, body: DeviceIn) -> Response:
    """Create a device; its endpoint is unique in the app.

    A device of an MQTT product has a secret, the given one or a fresh one; the answer shows it this once.
    """
    new = body.as_record(DeviceOrder)
    secret = await devices.secret_of_new_device(services, caller.app_id, new)

    async def create(device_id: str) -> Device:
        device = await devices.create_device(services, caller.app_id, device_id, new, secret)
        return _created(services.sealer, device)

    async def load(device_id: str) -> Device | None:
        device = await services.devices.find(caller.app_id, device_id)
        return _created(services.sealer, device) if device else None

    return await creation.answer(create, load, secret=secret is not None)


def _created(sealer: Sealer, device: models.Device) -> Device:
    if device.mqtt_secret is None:
        return Device.of(device)
    return NewDevice.with_secret(device, sealer.open(device.mqtt_secret).decode())


@router.post(
    "/bulk",
    response_model=BulkResult,
    responses=responses(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"endpoint":"urn:imei:861234567890123","product_id":"6745c1f0a1b2c3d4e5f60719"}\n',
                },
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "endpoint,product_id,tags\nurn:imei:861234567890123,6745c1f0…,north;east\n",
                },
            },
        }
    },
)
async def create_devices(
    request: Request, caller: Operator, services: Wired, settings: Settings, idempotency_key: Key = None
) -> Response:
    """Create tens of thousands of devices, one per line of NDJSON or CSV (lists separated by `;`).

    Lines that are wrong are reported and do not stop the others. Repeating an upload is safe: what exists is reported
    as `duplicate`; with an `Idempotency-Key`, an answer that was lost is given again, with the secrets in it.
    """
    upload, kind = BulkUpload(services, settings.bulk_limit, caller.app_id), request.headers.get("content-type", "")
    return await upload.answer(kind, request.stream(), key_name(request, caller, idempotency_key))


@router.get("")
async def list_devices(caller: Reader, services: Wired, query: Annotated[DeviceQuery, FromQuery()]) -> DevicePage:
    """List devices."""
    page = await services.devices.page(caller.app_id, query.wanted(), query.limit, query.after)
    return DevicePage(items=[Device.of(item) for item in page.items], next=page.next)


@router.get("/{device_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_device(caller: Reader, services: Wired, device_id: str) -> Device:
    """Get a device with its registration and firmware version."""
    return Device.of(await services.devices.get(caller.app_id, device_id))


@router.patch("/{device_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def change_device(caller: Operator, services: Wired, device_id: str, body: DeviceChange) -> Device:
    """Change name, tags, groups or the pre-shared key."""
    return Device.of(await devices.change_device(services, caller.app_id, device_id, body.change(), body.psk))


@router.post("/{device_id}/mqtt-secret", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def renew_secret(
    caller: Operator, services: Wired, response: Response, device_id: str, body: SecretIn | None = None
) -> DeviceSecret:
    """Give an MQTT device another secret, the given one or a fresh one; the answer shows it this once.

    Log-ins with the old one are refused within half a minute; a connection that is open stays.
    """
    secret = await devices.renew_mqtt_secret(services, caller.app_id, device_id, body.mqtt_secret if body else None)
    response.headers.update(NO_STORE)
    return DeviceSecret(device_id=device_id, mqtt_secret=secret)


@router.delete(
    "/{device_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_device(caller: Operator, services: Wired, device_id: str) -> None:
    """Delete a device that has no active upgrade and no pending command."""
    await devices.delete_device(services, caller.app_id, device_id)

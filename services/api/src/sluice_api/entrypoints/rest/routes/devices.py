"""Devices, one by one and in bulk."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery

from sluice_api.adapters.mongo.collections import Document
from sluice_api.adapters.mongo.devices import ENDPOINT_TAKEN
from sluice_api.application.services import Services
from sluice_api.domain.device_secrets import (
    LWM2M,
    MQTT,
    MQTT_SECRET,
    PSK,
    mqtt_secret_of,
    new_mqtt_secret,
    require_protocol,
    stored_device,
)
from sluice_api.entrypoints.rest.dependencies import App, Caller, Wired
from sluice_api.entrypoints.rest.idempotency import NO_STORE, Creation, Key, key_name
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.devices import (
    BulkResult,
    Device,
    DeviceChange,
    DevicePage,
    DeviceQuery,
    DeviceSecret,
    NewDevice,
    SecretIn,
)
from sluice_api.entrypoints.rest.uploads.bulk import BulkUpload
from sluice_api.entrypoints.rest.uploads.device_lines import DeviceIn
from sluice_common.sealing import Sealer

router = APIRouter(prefix="/devices", tags=["devices"])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=Device | NewDevice,
    responses=responses(HTTPStatus.CONFLICT),
)
async def create_device(caller: App, services: Wired, creation: Creation, body: DeviceIn) -> Response:
    """Create a device; its endpoint is unique on the platform.

    A device of an MQTT product has a secret, the given one or a fresh one; the answer shows it this once.
    """
    product = await services.products.named(caller.app_id, body.product_id)
    await services.groups.named(caller.app_id, body.group_ids)
    secret = mqtt_secret_of(body, product["protocol"])

    async def create(device_id: str) -> Device:
        document = stored_device(device_id, caller.app_id, body, secret, services.sealer, at=services.now())
        return _created(services.sealer, await services.devices.insert(document, ENDPOINT_TAKEN))

    async def load(device_id: str) -> Device | None:
        document = await services.devices.find(caller.app_id, device_id)
        return _created(services.sealer, document) if document else None

    return await creation.answer(create, load, secret=secret is not None)


def _created(sealer: Sealer, document: Document) -> Device:
    sealed = document.get(MQTT_SECRET)
    return Device.of(document) if sealed is None else NewDevice.with_secret(document, sealer.open(sealed).decode())


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
async def create_devices(request: Request, caller: App, services: Wired, idempotency_key: Key = None) -> Response:
    """Create tens of thousands of devices, one per line of NDJSON or CSV (lists separated by `;`).

    Lines that are wrong are reported and do not stop the others. Repeating an upload is safe: what exists is reported
    as `duplicate`; with an `Idempotency-Key`, an answer that was lost is given again, with the secrets in it.
    """
    upload, kind = BulkUpload(services, caller.app_id), request.headers.get("content-type", "")
    return await upload.answer(kind, request.stream(), key_name(request, caller, idempotency_key))


@router.get("")
async def list_devices(caller: App, services: Wired, query: Annotated[DeviceQuery, FromQuery()]) -> DevicePage:
    """List devices."""
    documents, after = await services.devices.page(caller.app_id, query.wanted(), query.limit, query.after)
    return DevicePage(items=[Device.of(d) for d in documents], next=after)


@router.get("/{device_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_device(caller: App, services: Wired, device_id: str) -> Device:
    """Get a device with its registration and firmware version."""
    return Device.of(await services.devices.get(caller.app_id, device_id))


@router.patch("/{device_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def change_device(caller: App, services: Wired, device_id: str, body: DeviceChange) -> Device:
    """Change name, tags, groups or the pre-shared key."""
    await services.groups.named(caller.app_id, body.group_ids or [])
    changes = body.model_dump(exclude_none=True)
    if body.psk is not None:
        await _require_protocol(services, caller, device_id, LWM2M)
        changes[PSK] = services.sealer.seal(bytes.fromhex(body.psk))
    device = await services.devices.change(caller.app_id, device_id, changes)
    if body.group_ids is not None:
        await services.groups.moved(caller.app_id, device_id, body.group_ids)
    return Device.of(device)


@router.post("/{device_id}/mqtt-secret", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def renew_secret(
    caller: App, services: Wired, response: Response, device_id: str, body: SecretIn | None = None
) -> DeviceSecret:
    """Give an MQTT device another secret, the given one or a fresh one; the answer shows it this once.

    Log-ins with the old one are refused within half a minute; a connection that is open stays.
    """
    await _require_protocol(services, caller, device_id, MQTT)
    secret = (body and body.mqtt_secret) or new_mqtt_secret()
    await services.devices.change(caller.app_id, device_id, {MQTT_SECRET: services.sealer.seal(secret.encode())})
    response.headers.update(NO_STORE)
    return DeviceSecret(device_id=device_id, mqtt_secret=secret)


async def _require_protocol(services: Services, caller: Caller, device_id: str, protocol: str) -> None:
    device = await services.devices.get(caller.app_id, device_id)
    require_protocol(await services.products.find(caller.app_id, device["product_id"]), protocol)


@router.delete(
    "/{device_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_device(caller: App, services: Wired, device_id: str) -> None:
    """Delete a device that has no active upgrade and no pending command."""
    await services.devices.get(caller.app_id, device_id)
    await services.conflicts.require_free(caller.app_id, {"device_ids": [device_id]})
    await services.devices.delete(caller.app_id, device_id)

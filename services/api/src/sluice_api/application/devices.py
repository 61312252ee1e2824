"""Devices: created with their secrets, changed, and deleted when nothing is under way."""

import msgspec

from sluice_api.application.products import product_named
from sluice_api.application.services import Services
from sluice_api.domain.device_secrets import NewDevice, mqtt_secret_of, new_mqtt_secret, require_protocol, sealed_device
from sluice_api.domain.models import Device, DeviceChange, Protocol, Targets


async def secret_of_new_device(services: Services, app_id: str, new: NewDevice) -> str | None:
    """Return the secret that a new device gets, None if it needs none.

    Raises:
        InvalidError: Product or groups are not there, or a secret was given that such a device cannot have.
    """
    product = await product_named(services.products, app_id, new.product_id)
    await services.groups.require_all(app_id, new.group_ids)
    return mqtt_secret_of(new, product.protocol)


async def create_device(services: Services, app_id: str, device_id: str, new: NewDevice, secret: str | None) -> Device:
    """Create a device with its secret.

    Raises:
        ConflictError: Its endpoint is taken.
        NoSealingKeyError: It has a secret, and there is no key to seal it.
    """
    device = sealed_device(device_id, app_id, new, secret, services.sealer, at=services.now())
    await services.devices.add(device)
    return device


async def change_device(
    services: Services, app_id: str, device_id: str, change: DeviceChange, psk: str | None
) -> Device:
    """Change name, tags, groups or the pre-shared key (hex) of a device.

    Raises:
        NotFoundError: There is none of that id.
        InvalidError: Groups are not there.
        ConflictError: It cannot have a pre-shared key.
    """
    await services.groups.require_all(app_id, change.group_ids or ())
    if psk is not None:
        await require_device_protocol(services, app_id, device_id, Protocol.LWM2M)
        change = msgspec.structs.replace(change, psk=services.sealer.seal(bytes.fromhex(psk)))
    device = await services.devices.change(app_id, device_id, change)
    if change.group_ids is not None:
        await services.groups.replace_groups(app_id, device_id, change.group_ids)
    return device


async def renew_mqtt_secret(services: Services, app_id: str, device_id: str, given: str | None) -> str:
    """Give an MQTT device another secret, the given one or a fresh one, and return it.

    Raises:
        NotFoundError: There is no device of that id.
        ConflictError: It is no MQTT device.
        NoSealingKeyError: There is no key to seal it.
    """
    await require_device_protocol(services, app_id, device_id, Protocol.MQTT)
    secret = given or new_mqtt_secret()
    sealed = services.sealer.seal(secret.encode())
    await services.devices.change(app_id, device_id, DeviceChange(mqtt_secret=sealed))
    return secret


async def require_device_protocol(services: Services, app_id: str, device_id: str, protocol: Protocol) -> Device:
    """Return a device that is of a protocol.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: Its product has another protocol.
    """
    device = await services.devices.get(app_id, device_id)
    require_protocol(await services.products.find(app_id, device.product_id), protocol)
    return device


async def delete_device(services: Services, app_id: str, device_id: str) -> None:
    """Delete a device that has no active upgrade and no pending command.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It has.
    """
    await services.devices.get(app_id, device_id)
    await services.conflicts.require_free(app_id, Targets(device_ids=(device_id,)))
    await services.devices.delete(app_id, device_id)

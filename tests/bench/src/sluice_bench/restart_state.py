"""What the services of `bench restart` come back to: a fleet in mid-campaign, as the product itself writes it.

Devices and their task are created over HTTP, the relay expands the task, both stages decide (`restart_campaign`), of a
large fleet on a part of which the rest are copies (`restart_copies`). What gateways keep of a device is written with
their messages and keys, three records each. Projector, notifier and gateways stand still meanwhile and their groups are
set to where they would be: an embedded database takes minutes for what they write.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from msgspec.structs import replace
from rich.console import Console

from sluice_bench.download import Image, offer_for
from sluice_bench.expansion import Tenant, tenant
from sluice_bench.gateway import GATEWAY
from sluice_bench.kafka_groups import commit_ends
from sluice_bench.restart_campaign import Campaign
from sluice_bench.restart_copies import copy_fleet
from sluice_bench.restart_system import System
from sluice_common.bus import Producer, acknowledged
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware, QueryVersion
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_common.mongo import IMAGE_BUCKET, bucket, connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import (
    COMMAND_EVENTS,
    DEVICE_ACTIVITY,
    DEVICE_EVENTS,
    EXECUTION_EVENTS,
    LWM2M_COMMANDS,
    MQTT_COMMANDS,
    PACKAGE_EVENTS,
    REGISTRATIONS,
    Topic,
)
from sluice_demo.firmware import SignedPackage

STANDING_STILL: Final = ("projector", "notifier", "lwm2m-gateway", "mqtt-gateway")
"""Services that do not run while the state is made."""
_STAGES: Final = ("scheduler-devices", "scheduler-cells")
_GROUPS: Final[dict[str, Sequence[Topic]]] = {
    "projector": (EXECUTION_EVENTS, PACKAGE_EVENTS),
    "projector-details": (EXECUTION_EVENTS, REGISTRATIONS, DEVICE_ACTIVITY),
    "projector-commands": (COMMAND_EVENTS,),
    "notifier": (EXECUTION_EVENTS,),
    "mqtt-gateway": (MQTT_COMMANDS,),
}
_AT_ONCE: Final = 5_000
_LARGEST_GROUP: Final = 100_000
"""Devices of a task. The embedded database sorts all of a group before it gives the first: 30 s and more of 900,000."""
_DAY: Final = timedelta(days=1)
_IMAGE_BYTES: Final = 1_024


@dataclass(frozen=True)
class State:
    """What the first answers are asked for.

    Attributes:
        spare_id: An LwM2M device that is registered and has no upgrade.
        product_id: The product of the LwM2M devices.
        package: A signed package of it.
        mqtt_id: An MQTT device.
        mqtt_secret: Its secret.
        offer: An offer that is still open.
        image: The image that it offers.
    """

    spare_id: str
    product_id: str
    package: SignedPackage
    mqtt_id: str
    mqtt_secret: str
    offer: OfferFirmware
    image: Image


async def fill(
    system: System, devices: int, console: Console, *, decided: int, backlog: int = 0, with_gateways: bool = True
) -> State:
    """Make the state of so many LwM2M and as many MQTT devices.

    Args:
        system: The system, all of which runs.
        devices: How many of either kind.
        console: Gets the progress.
        decided: How many of them the platform upgrades, the others being copies; if none, it does not have them at all.
        backlog: Commands that the LwM2M gateway has not answered.
        with_gateways: Whether gateways know the devices.
    """
    stack, common = system.stack, system.common
    for service in STANDING_STILL[1:]:
        await asyncio.to_thread(stack.stop_service, service)
    async with tenant(stack, system.settings) as owner:
        await asyncio.to_thread(stack.stop_service, STANDING_STILL[0])
        ids = [new_id() for _ in range(devices)]
        if decided:
            ids = await _upgraded(system, owner, decided, console)
            ids += await _copied(system, owner, ids, devices - decided, console)
        spare_id = await _add_spare(common, owner)
        mqtt_id, mqtt_secret = await _add_mqtt(owner)
        product_id, package = owner.product_id, owner.package
    console.print("Registrations and MQTT commands.", style="dim")
    image = await _store_image(common)
    known = ids if with_gateways else []
    offers = [offer_for(new_id(), new_id(), image) for _ in range(len(known) + 1)]
    async with started(Producer(common)) as producer:
        await _publish(producer, REGISTRATIONS, _registrations([*known, spare_id]))
        await _publish(producer, MQTT_COMMANDS, _mqtt_commands(offers))
    for group, topics in _GROUPS.items():
        await commit_ends(common, group, topics)
    await commit_ends(common, f"lwm2m-gateway-{GATEWAY}", [LWM2M_COMMANDS], behind=backlog)
    return State(spare_id, product_id, package, mqtt_id, mqtt_secret, offers[-1], image)


async def _upgraded(system: System, owner: Tenant, devices: int, console: Console) -> list[str]:
    """Have devices upgraded until each has a slot or waits for one, and return their ids."""
    console.print(f"The API takes {devices} devices in, and the relay expands their task.", style="dim")
    await owner.expand(devices)
    ids = await _device_ids(system.common, owner.group_id)
    console.print("The stages bring all of them to a slot, or to the queue for one.", style="dim")
    await Campaign(system.common, ids, "1.0.0", "2.0.0").run()
    return ids


async def _copied(system: System, owner: Tenant, originals: list[str], devices: int, console: Console) -> list[str]:
    """Have further devices stand where others do, and return their ids."""
    if devices == 0:
        return []
    for stage in _STAGES:
        await asyncio.to_thread(system.stack.stop_service, stage)
    copies: list[str] = []
    for first in range(0, devices, _LARGEST_GROUP):
        some = min(_LARGEST_GROUP, devices - first)
        console.print(f"The API takes {some} more in, and the relay expands their task.", style="dim")
        await owner.expand(some)
        copies += await _device_ids(system.common, owner.group_id)
    await commit_ends(system.common, "sluice-devices", [DEVICE_EVENTS])
    console.print("The changelogs get what they have of the others.", style="dim")
    await copy_fleet(system.common, originals, copies)
    for stage in _STAGES:
        await asyncio.to_thread(system.stack.start_service, stage)
    return copies


async def _device_ids(common: CommonSettings, group_id: str) -> list[str]:
    """Return the devices of a group; of all that there are, the embedded database does not find the first in time."""
    async with connect(common) as database:
        found = database["devices"].find({"group_ids": group_id}, {"_id": 1})
        return [str(device["_id"]) async for device in found]


async def _add_spare(common: CommonSettings, owner: Tenant) -> str:
    await owner.client.add_devices([{"endpoint": "spare", "product_id": owner.product_id}])
    async with connect(common) as database:
        (found,) = await database["devices"].find({"endpoint": "spare"}, {"_id": 1}).to_list(None)
    return str(found["_id"])


async def _add_mqtt(owner: Tenant) -> tuple[str, str]:
    product = await owner.client.create(
        "/products",
        {
            "manufacturer": "Sluice",
            "model": "Gateway",
            "device_type": "Gateway",
            "protocol": "MQTT",
            "maintenance": {"firmware_upgrade": True},
        },
    )
    (made,) = await owner.client.add_devices([{"endpoint": "mqtt", "product_id": product["product_id"]}])
    return str(made["device_id"]), str(made["mqtt_secret"])


async def _store_image(common: CommonSettings) -> Image:
    image = Image(new_id(), bytes(_IMAGE_BYTES), "0" * 64)
    async with connect(common) as database:
        await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image.image_id, "image.bin", image.data)
    return image


async def _publish(producer: Producer, topic: Topic, messages: Iterable[Any]) -> None:
    sent = []
    for message in messages:
        sent.append(await producer.send(topic, message.device_id, message))
        if len(sent) == _AT_ONCE:
            await acknowledged(sent)
            sent.clear()
    await acknowledged(sent)


def _registrations(ids: Sequence[str]) -> Iterator[Registration]:
    """Yield what a gateway writes of a device that registers, is observed for an upgrade, and registers anew."""
    task_id, at = new_id(), now()
    for number, device_id in enumerate(ids):
        attempt = AttemptRef(execution_id=execution_id(task_id, device_id), attempt=1)
        registered = Registration(
            app_id="bench",
            occurred_at=at,
            device_id=device_id,
            endpoint="spare" if device_id == ids[-1] else f"1-{number}",
            address=f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:40000",
            gateway=GATEWAY,
            epoch=1,
            location=location_of(device_id),
            lifetime=int(_DAY.total_seconds()),
            expires_at=at + _DAY,
            lwm2m_version="1.1",
            objects=("/1/0", "/3/0", "/4/0", "/5/0"),
            address_epoch=1,
        )
        yield registered
        yield replace(registered, observe_token=f"{number:016x}", observe_attempt=attempt, current_attempt=attempt)
        yield replace(registered, epoch=2)


def location_of(device_id: str) -> str:
    """Return the location of the registration of a device."""
    return f"of-{device_id}"


def _mqtt_commands(offers: Sequence[OfferFirmware]) -> Iterator[MqttCommand]:
    """Yield what a gateway is told of devices that are asked, offered an image, and closed; the last is not yet."""
    for offer in offers:
        head: dict[str, Any] = {
            "app_id": offer.app_id,
            "occurred_at": offer.occurred_at,
            "device_id": offer.device_id,
            "execution_id": offer.execution_id,
            "attempt": offer.attempt,
        }
        yield QueryVersion(**head, command_id=secrets.token_hex(8), expires_at=offer.expires_at)
        yield offer
        if offer is not offers[-1]:
            yield CloseDownload(**head, command_id=secrets.token_hex(8))

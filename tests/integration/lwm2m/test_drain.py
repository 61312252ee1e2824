"""A gateway that is told to end: what is under way ends or goes on in the next process, and nothing new begins."""

import asyncio
import os
import signal
from datetime import timedelta

import aiocoap
import pytest
from tests.integration.lwm2m.coap_device import Device
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform
from tests.integration.lwm2m.raw_client import RawClient, get_datagram, register_datagram, update_datagram

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Read, WritePackageUri
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket

BLOCKS, BLOCK, EXPONENT = 20, 1_024, 6
VERSION = "/3/0/3"


async def registered(gateway: GatewayProcess, new_device: NewDevice, platform: Platform) -> Device:
    device = await new_device(gateway)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    return device


async def downloading(device: Device, platform: Platform, database: Database) -> tuple[str, bytes]:
    """Give a device a Package URI; return the path and the image."""
    image, image_id = os.urandom(BLOCKS * BLOCK), new_id()
    await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image", image)
    request = WritePackageUri(image_id=image_id, image_size=len(image), not_after=now() + timedelta(seconds=600))
    assert (await platform.ask(device, request)).status == OutcomeStatus.DONE
    return device.package_uri.written[-1].decode().removeprefix(device.gateway.uri), image


async def fetch(client: RawClient, path: str, numbers: range) -> bytes:
    """Fetch blocks one after the other, as a device does."""
    answers = [await client.answer(get_datagram(path, n, (n << 4 | EXPONENT).to_bytes(2))) for n in numbers]
    assert {answer[1] for answer in answers} == {int(aiocoap.CONTENT)}
    return b"".join(answer[-BLOCK:] for answer in answers)


async def asked(device: Device) -> None:
    """Wait until the device has the request."""
    async with asyncio.timeout(10):
        while not device.version.requests:
            await asyncio.sleep(0.01)


async def ended(gateway: GatewayProcess) -> int:
    return await asyncio.to_thread(gateway.ended)


async def test_a_gateway_that_ends_serves_its_download_to_the_end_and_leaves_new_devices_to_the_next_process(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    gateway = await asyncio.to_thread(new_gateway, drain=60.0, shutdown_timeout=5.0)
    device = await registered(gateway, new_device, platform)
    path, image = await downloading(device, platform, database)
    client, stranger = RawClient(gateway.port), RawClient(gateway.port)
    begun = await fetch(client, path, range(5))

    gateway.signal(signal.SIGTERM)
    newcomer = await new_device(gateway)
    registering = asyncio.create_task(stranger.ask(register_datagram(newcomer.endpoint)))
    assert begun + await fetch(client, path, range(5, BLOCKS - 1)) == image[:-BLOCK]
    assert await client.ask(update_datagram(device.location, 1_000)) == int(aiocoap.CHANGED)
    assert not registering.done()
    assert await fetch(client, path, range(BLOCKS - 1, BLOCKS)) == image[-BLOCK:]
    assert await ended(gateway) == 0

    await asyncio.to_thread(gateway.start)
    assert await registering == int(aiocoap.CREATED)
    client.close()
    stranger.close()


async def test_a_download_that_does_not_end_in_time_goes_on_in_the_next_process(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    gateway = await asyncio.to_thread(new_gateway, drain=0.5)
    device = await registered(gateway, new_device, platform)
    path, image = await downloading(device, platform, database)
    client = RawClient(gateway.port)
    fetching = asyncio.create_task(fetch(client, path, range(BLOCKS)))
    gateway.signal(signal.SIGTERM)
    assert await ended(gateway) == 0
    await asyncio.to_thread(gateway.start)
    assert await fetching == image
    client.close()


async def test_a_command_in_flight_is_answered_once_and_those_after_it_by_the_next_process(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform
) -> None:
    gateway = await asyncio.to_thread(new_gateway)
    device = await registered(gateway, new_device, platform)
    device.version.delay = 1.0
    first = await platform.command(device, Read(path=VERSION))
    await asked(device)
    gateway.signal(signal.SIGTERM)
    second = await platform.command(device, Read(path=VERSION))
    assert await ended(gateway) == 0
    assert (await platform.outcome(device, first)).status == OutcomeStatus.DONE
    device.version.delay = 0.0
    await asyncio.to_thread(gateway.start)
    assert (await platform.outcome(device, second)).status == OutcomeStatus.DONE
    assert len(device.version.requests) == len(platform.events(device, CommandOutcome)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_command_that_is_not_answered_in_time_is_asked_again_by_the_next_process(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform, number: signal.Signals
) -> None:
    gateway = await asyncio.to_thread(new_gateway, shutdown_timeout=0.2)
    device = await registered(gateway, new_device, platform)
    device.version.delay = 30.0
    command = await platform.command(device, Read(path=VERSION))
    await asked(device)
    gateway.signal(number)
    assert await ended(gateway) == 0
    device.version.delay = 0.0
    await asyncio.to_thread(gateway.start)
    assert (await platform.outcome(device, command)).status == OutcomeStatus.DONE
    assert len(platform.events(device, CommandOutcome)) == 1

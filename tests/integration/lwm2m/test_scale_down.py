"""Fewer gateways than before: what waits for the one that is gone is answered, and its devices go on elsewhere."""

import asyncio
import os
from datetime import timedelta

import aiocoap
import pytest
from tests.integration.lwm2m.coap_device import Device
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Execute, Read, WritePackageUri
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket

VERSION, UPDATE = Read(path="/3/0/3"), Execute(path="/5/0/2")


@pytest.fixture(scope="module")
def remaining(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(inherit_after=0)


@pytest.fixture(scope="module")
def gone(new_gateway: NewGateway, remaining: GatewayProcess) -> GatewayProcess:
    del remaining  # begins first
    return new_gateway(inherit_after=0)


async def registered(gateway: GatewayProcess, new_device: NewDevice, platform: Platform) -> Device:
    device = await new_device(gateway)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    return device


async def test_what_waits_for_a_gateway_that_is_gone_is_answered_and_its_devices_go_on_elsewhere(
    gone: GatewayProcess, remaining: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    device = await registered(gone, new_device, platform)
    image, image_id = os.urandom(2_000), new_id()
    await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image", image)
    uri = WritePackageUri(image_id=image_id, image_size=len(image), not_after=now() + timedelta(seconds=600))
    await platform.ask(device, uri)
    path = device.package_uri.written[0].decode().removeprefix(gone.uri)
    assert (await device.request(aiocoap.GET, path)).payload == image

    assert await asyncio.to_thread(gone.stop) == 0
    waiting = await platform.command(device, UPDATE, seconds=300)
    assert (await platform.outcome(device, waiting)).status == OutcomeStatus.ASLEEP
    assert (await platform.close(device)).status == OutcomeStatus.DONE

    device.gateway = remaining
    await device.register()
    await platform.wait_for(device, DeviceUplink, gateway=remaining.ordinal)
    late = await platform.command(device, VERSION, seconds=300, epoch=platform.events(device, DeviceUplink)[0].epoch)
    assert (await platform.outcome(device, late)).status == OutcomeStatus.STALE
    assert (await platform.ask(device, VERSION)).status == OutcomeStatus.DONE
    assert not device.update_resource.executed


async def test_a_gateway_that_comes_back_has_its_commands_and_serves_nothing_that_was_closed_meanwhile(
    gone: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    if not gone.runs:
        await asyncio.to_thread(gone.start)
    device = await registered(gone, new_device, platform)
    image, image_id = os.urandom(2_000), new_id()
    await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image", image)
    uri = WritePackageUri(image_id=image_id, image_size=len(image), not_after=now() + timedelta(seconds=600))
    await platform.ask(device, uri)
    path = device.package_uri.written[0].decode().removeprefix(gone.uri)
    assert await asyncio.to_thread(gone.stop) == 0
    assert (await platform.close(device)).status == OutcomeStatus.DONE

    await asyncio.to_thread(gone.start)
    assert (await device.request(aiocoap.GET, path)).code == aiocoap.NOT_FOUND
    assert (await platform.ask(device, VERSION)).status == OutcomeStatus.DONE
    assert len(platform.events(device, CommandOutcome)) == 3

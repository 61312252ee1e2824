"""What survives when a gateway dies, and what becomes of a device that moves to another gateway."""

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

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, FirmwareStateNotified, OutcomeStatus
from sluice_common.messages.lwm2m_commands import CancelObserve, Execute, Observe, Read, WritePackageUri
from sluice_common.messages.registrations import Registration
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket

STATE = "/5/0/3"
FOLLOWED = 2.5  # seconds after which every gateway has heard of a registration


@pytest.fixture(scope="module")
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway()


async def restart(gateway: GatewayProcess, how: signal.Signals = signal.SIGKILL) -> None:
    await asyncio.to_thread(gateway.stop, how)
    await asyncio.to_thread(gateway.start)


async def registered(gateway: GatewayProcess, new_device: NewDevice, platform: Platform) -> Device:
    device = await new_device(gateway)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    return device


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_registrations_and_observations_survive_a_restart(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, how: signal.Signals
) -> None:
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Observe(path=STATE))
    await restart(gateway, how)

    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE
    device.firmware.become(1)
    await platform.wait_for(device, FirmwareStateNotified, state=1)
    assert (await device.update()).code == aiocoap.CHANGED
    assert (await platform.ask(device, CancelObserve(path=STATE))).results[0].ok
    assert device.firmware.observers == 0


async def test_a_download_and_its_fence_survive_a_restart(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    device = await registered(gateway, new_device, platform)
    image, image_id = os.urandom(5_000), new_id()
    await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image", image)
    request = WritePackageUri(image_id=image_id, image_size=5_000, not_after=now() + timedelta(seconds=60))
    await platform.ask(device, request)
    path = device.package_uri.written[0].decode().removeprefix(gateway.uri)
    await restart(gateway)
    assert (await device.request(aiocoap.GET, path)).payload == image

    await platform.close(device)
    await restart(gateway)
    assert (await device.request(aiocoap.GET, path)).code == aiocoap.NOT_FOUND


async def test_an_execute_is_not_sent_again_after_a_restart(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    command = await platform.command(device, Execute(path="/5/0/2"))
    await platform.outcome(device, command)
    await restart(gateway)
    await platform.send(device, command)
    await platform.wait_for(device, CommandOutcome, status=OutcomeStatus.ALREADY_SENT)
    assert len(device.update_resource.executed) == 1


async def test_commands_in_flight_are_answered_after_the_restart(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.version.delay = 1.0
    command = await platform.command(device, Read(path="/3/0/3"))
    async with asyncio.timeout(10):
        while not device.version.requests:
            await asyncio.sleep(0.01)
    await restart(gateway)
    assert (await platform.outcome(device, command)).status == OutcomeStatus.DONE


async def test_commands_published_while_the_gateway_is_down_are_answered(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    command = await platform.command(device, Read(path="/3/0/3"))
    await asyncio.to_thread(gateway.start)
    assert (await platform.outcome(device, command)).status == OutcomeStatus.DONE


async def test_answered_commands_are_not_sent_again_after_a_stop(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform
) -> None:
    gateway = new_gateway()
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Read(path="/3/0/3"))
    await restart(gateway, signal.SIGTERM)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE
    assert len(device.version.requests) == 2
    assert len(platform.events(device, CommandOutcome)) == 2


async def test_a_notification_with_the_token_from_before_a_device_restart_is_published(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Observe(path=STATE), Execute(path="/5/0/2"))
    token = bytes.fromhex(platform.registration(device).observe_token or "")
    await device.open()
    await device.register()
    await restart(gateway)

    datagram = b"\x48\x45\x00\x01" + token + b"\x61\x05\x60\xff0"  # Observe 5, Content-Format text, "0"
    await device.close()
    unknown = b"\x48\x45\x00\x02" + os.urandom(8) + b"\x61\x05\x60\xff0"
    acknowledgement, again, reset = await device.send_raw(datagram, datagram, unknown)
    assert acknowledgement == again == b"\x60\x00\x00\x01"
    assert reset == b"\x70\x00\x00\x02"
    event: FirmwareStateNotified = await platform.wait_for(device, FirmwareStateNotified, state=0)
    assert event.execution_id == platform.execution(device)


async def test_the_higher_epoch_owns_a_device(
    new_gateway: NewGateway, gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    other = new_gateway()
    device = await registered(gateway, new_device, platform)
    request = WritePackageUri(image_id=new_id(), image_size=1, not_after=now() + timedelta(seconds=60))
    await platform.ask(device, Observe(path=STATE), request)
    await asyncio.sleep(FOLLOWED)
    device.gateway = other
    await device.register()

    uplink: DeviceUplink = await platform.wait_for(device, DeviceUplink, gateway=other.ordinal)
    record: Registration = await platform.wait_for(device, Registration, gateway=other.ordinal)
    assert uplink.epoch == record.epoch > platform.events(device, DeviceUplink)[0].epoch
    assert record.observe_attempt is not None
    assert record.current_attempt is None  # fenced: the old gateway may be closing it right now
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE

    await asyncio.sleep(FOLLOWED)
    device.gateway = gateway
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.STALE
    assert (await platform.close(device)).status == OutcomeStatus.DONE  # it serves nothing

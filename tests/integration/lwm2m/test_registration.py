"""The registration interface over real sockets, as an aiocoap client sees it and as Kafka hears of it."""

import asyncio
from datetime import timedelta

import aiocoap
import pytest
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform

from sluice_common.messages.base import now
from sluice_common.messages.device_events import (
    DeviceDeregistered,
    DeviceUplink,
    OutcomeStatus,
    UplinkKind,
)
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.registrations import Registration

AWAKE = 1.0


@pytest.fixture(scope="module")
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(awake_window=AWAKE, lifetime_min=2)


async def test_a_registration_is_in_kafka_when_it_is_answered(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register("lt=300&lwm2m=1.1&b=U&Q", b'</>;rt="oma.lwm2m";ct=110,</1/0>,</3/0>,</5>;ver=1.1,</5/0>')

    record: Registration = await platform.wait_for(device, Registration)
    assert device.location == ("rd", record.location)
    assert (record.endpoint, record.app_id, record.gateway) == (device.endpoint, "app-1", gateway.ordinal)
    assert (record.lifetime, record.lwm2m_version, record.queue_mode) == (300, "1.1", True)
    assert record.objects == ("/1/0", "/3/0", "/5", "/5/0")
    assert now() + timedelta(seconds=290) < record.expires_at < now() + timedelta(seconds=300)


async def test_a_registration_in_several_blocks_is_taken(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    objects = [f"/10241/{number}" for number in range(120)]
    await device.register(objects=",".join(f"<{path}>" for path in objects).encode())
    record: Registration = await platform.wait_for(device, Registration)
    assert list(record.objects) == objects


@pytest.mark.requirement("R061")
async def test_a_registration_is_reported_to_the_scheduler_as_an_uplink(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register()

    uplink: DeviceUplink = await platform.wait_for(device, DeviceUplink)
    record: Registration = await platform.wait_for(device, Registration)
    assert (uplink.kind, uplink.gateway, uplink.epoch) == (UplinkKind.REGISTER, gateway.ordinal, record.epoch)
    assert uplink.awake_until == record.expires_at
    assert not uplink.queue_mode


async def test_every_registration_has_a_higher_epoch_and_another_location(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register()
    old = device.location
    await device.register()

    first: DeviceUplink = await platform.wait_for(device, DeviceUplink, count=1)
    second: DeviceUplink = await platform.wait_for(device, DeviceUplink, count=2)
    assert second.epoch > first.epoch
    assert (await device.update()).code == aiocoap.CHANGED
    device.location = old
    assert (await device.update()).code == aiocoap.NOT_FOUND


@pytest.mark.parametrize(
    ("query", "objects", "code"),
    [
        ("lt=300", b"</5/0>", aiocoap.BAD_REQUEST),
        ("ep=&lt=300", b"</5/0>", aiocoap.BAD_REQUEST),
        ("ep=urn:imei:nobody&lt=300", b"</5/0>", aiocoap.FORBIDDEN),
        ("ep={ep}&lt=300&lwm2m=3.0", b"</5/0>", aiocoap.PRECONDITION_FAILED),
        ("ep={ep}&lt=-5", b"</5/0>", aiocoap.BAD_REQUEST),
        ("ep={ep}&lt=soon", b"</5/0>", aiocoap.BAD_REQUEST),
        ("ep={ep}&lt=999999999999999999999", b"</5/0>", aiocoap.BAD_REQUEST),
        ("ep={ep}&b=5", b"</5/0>", aiocoap.BAD_REQUEST),
        ("ep={ep}", b"</5/0", aiocoap.BAD_REQUEST),
        ("ep={ep}", b"\xff\xfe", aiocoap.BAD_REQUEST),
    ],
)
async def test_a_bad_registration_is_refused(  # noqa: PLR0917 - fixtures and parameters
    gateway: GatewayProcess,
    new_device: NewDevice,
    platform: Platform,
    query: str,
    objects: bytes,
    code: aiocoap.Code,
) -> None:
    device = await new_device(gateway)
    response = await device.request(aiocoap.POST, "/rd?" + query.format(ep=device.endpoint), objects, content_format=40)
    assert response.code == code
    assert platform.events(device) == []


@pytest.mark.parametrize(("asked", "granted"), [("0", 31_536_000), ("1", 2), ("4294967295", 31_536_000)])
async def test_a_lifetime_is_clamped_to_the_bounds(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, asked: str, granted: int
) -> None:
    device = await new_device(gateway)
    await device.register(f"lt={asked}")
    record: Registration = await platform.wait_for(device, Registration)
    assert record.lifetime == granted


async def test_an_update_of_an_unknown_location_is_not_found(gateway: GatewayProcess, new_device: NewDevice) -> None:
    device = await new_device(gateway)
    device.location = ("rd", "nowhere")
    assert (await device.update()).code == aiocoap.NOT_FOUND


async def test_commands_for_a_device_that_has_deregistered_are_answered_asleep(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register()
    uplink: DeviceUplink = await platform.wait_for(device, DeviceUplink)
    response = await device.request(aiocoap.DELETE, "/" + "/".join(device.location))

    assert response.code == aiocoap.DELETED
    gone: DeviceDeregistered = await platform.wait_for(device, DeviceDeregistered)
    assert gone.epoch == uplink.epoch
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.ASLEEP
    assert (await device.update()).code == aiocoap.NOT_FOUND


async def test_a_lifetime_ends_unless_it_is_renewed(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register("lt=2")
    for _ in range(3):
        await asyncio.sleep(1.0)
        assert (await device.update()).code == aiocoap.CHANGED
    assert platform.events(device, DeviceDeregistered) == []

    await platform.wait_for(device, DeviceDeregistered)
    assert (await device.update()).code == aiocoap.NOT_FOUND


@pytest.mark.requirement("R062")
async def test_no_command_is_sent_to_a_device_after_its_awake_window(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register("lt=300&b=UQ")
    await platform.wait_for(device, DeviceUplink)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE

    await asyncio.sleep(AWAKE + 0.1)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.ASLEEP
    assert len(device.version.requests) == 1


@pytest.mark.requirement("R061")
async def test_a_queue_mode_device_is_reported_once_per_awake_window(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register("lt=300&b=UQ")
    for _ in range(3):
        await device.update()
    await asyncio.sleep(AWAKE + 0.1)
    for _ in range(3):
        await device.update()

    await platform.wait_for(device, DeviceUplink, kind=UplinkKind.UPDATE)
    await platform.ask(device, Read(path="/3/0/3"))  # everything before has been published when this is answered
    assert [u.kind for u in platform.events(device, DeviceUplink)] == [UplinkKind.REGISTER, UplinkKind.UPDATE]


async def test_data_that_a_device_sends_on_its_own_is_an_uplink(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register("lt=300&lwm2m=1.1&Q")
    await asyncio.sleep(AWAKE + 0.1)
    response = await device.request(aiocoap.POST, "/dp", b'[{"n":"/19/0/0","v":1}]', content_format=110)

    assert response.code == aiocoap.CHANGED
    await platform.wait_for(device, DeviceUplink, kind=UplinkKind.DATA)


async def test_a_device_with_a_new_address_is_recorded_and_sent_commands_there(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register()
    before: Registration = await platform.wait_for(device, Registration)
    await device.open()
    assert (await device.update()).code == aiocoap.CHANGED

    await platform.wait_for(device, DeviceUplink, kind=UplinkKind.UPDATE)
    after: Registration = await platform.wait_for(device, Registration, count=2)
    assert after.address != before.address
    assert after.epoch == before.epoch
    outcome = await platform.ask(device, Read(path="/3/0/3"))
    assert outcome.status == OutcomeStatus.DONE


async def test_an_update_changes_lifetime_binding_and_objects(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register()
    await device.request(
        aiocoap.POST, f"/{'/'.join(device.location)}?lt=600&b=UQ", b"</3/0>,</5/0>,</19/0>", content_format=40
    )
    record: Registration = await platform.wait_for(device, Registration, count=2)
    assert (record.lifetime, record.queue_mode, record.objects) == (600, True, ("/3/0", "/5/0", "/19/0"))


async def test_a_retransmitted_registration_gets_the_same_answer_and_is_one_uplink(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.close()
    datagram = (
        b"\x44\x02\x12\x34abcd\xb2rd\x4d" + bytes([len(device.endpoint) + 3 - 13]) + b"ep=" + device.endpoint.encode()
    )
    answers = await device.send_raw(datagram, datagram)

    assert answers[0] == answers[1]
    assert answers[0][1] == aiocoap.CREATED
    await platform.wait_for(device, DeviceUplink)
    assert len(platform.events(device, DeviceUplink)) == 1

"""Bytes from anybody: the gateway goes on serving."""

import asyncio
import os
import random
import socket

import aiocoap
import pytest
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform

from sluice_common.messages.device_events import DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Read

FLOOD = 3_000


@pytest.fixture(scope="module")
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(max_pending=200)


def hostile(seed: int) -> bytes:
    """Return noise, headers with noise behind them, or a registration with broken parts."""
    generator = random.Random(seed)
    noise = generator.randbytes(generator.randrange(60))
    kind = generator.randrange(4)
    if kind == 0:
        return noise
    if kind == 1:
        return bytes([0x40 | generator.randrange(64), generator.randrange(256)]) + noise
    query = b"ep=" + generator.randbytes(generator.randrange(9))
    return b"\x40\x02" + generator.randbytes(2) + b"\xb2rd" + bytes([0x40 | len(query)]) + query + b"\xff" + noise


async def test_a_flood_of_malformed_datagrams_does_not_stop_registered_devices(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        for seed in range(FLOOD):
            attacker.sendto(hostile(seed), ("127.0.0.1", gateway.port))
            if seed % 100 == 0:
                await asyncio.sleep(0.01)
    assert (await device.update()).code == aiocoap.CHANGED
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE


async def test_datagrams_that_are_too_large_are_ignored(gateway: GatewayProcess, new_device: NewDevice) -> None:
    device = await new_device(gateway)
    answers = await device.send_raw(b"\x40\x00\x00\x01")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        attacker.sendto(b"\x40\x02\x00\x02\xb2rd\xff" + bytes(60_000), ("127.0.0.1", gateway.port))
    assert answers == await device.send_raw(b"\x40\x00\x00\x01") == [b"\x70\x00\x00\x01"]


@pytest.mark.parametrize(
    ("datagram", "code"),
    [
        (b"\x40\x02\x00\x01\xb2rd\x21\x01", aiocoap.BAD_OPTION),  # an unknown critical option
        (b"\x40\x02\x00\x02\xb2rd\xd1\x03\x0e", aiocoap.BAD_REQUEST),  # Block1 without its block
        (b"\x40\x02\x00\x03\xd8\x16coap://x", aiocoap.PROXYING_NOT_SUPPORTED),
        (b"\x40\x03\x00\x04\xb2rd", aiocoap.METHOD_NOT_ALLOWED),
        (b"\x40\x04\x00\x05\xb2rd", aiocoap.METHOD_NOT_ALLOWED),
        (b"\x40\x02\x00\x06\xb2rd\x01a\x01b", aiocoap.METHOD_NOT_ALLOWED),
        (b"\x40\x02\x00\x07\xb2bs", aiocoap.NOT_FOUND),  # no bootstrap server
        (b"\x40\x01\x00\x08\xbb.well-known\x04core", aiocoap.CONTENT),
        (b"\x40\x05\x00\x0a\xb2dp", aiocoap.METHOD_NOT_ALLOWED),  # FETCH
        (b"\x40\x02\x00\x09\xb2dp", aiocoap.NOT_FOUND),  # Send from nobody
    ],
)
async def test_requests_that_are_not_served_are_answered_with_the_error_for_them(
    gateway: GatewayProcess, new_device: NewDevice, datagram: bytes, code: aiocoap.Code
) -> None:
    device = await new_device(gateway)
    (answer,) = await device.send_raw(datagram)
    assert answer[1] == code


async def test_a_flood_of_unknown_endpoints_leaves_room_for_known_ones(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await new_device(gateway)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        for _ in range(1_000):
            attacker.sendto(
                b"\x44\x02" + os.urandom(6) + b"\xb2rd\x4bep=" + os.urandom(4).hex().encode(),
                ("127.0.0.1", gateway.port),
            )
    await device.register()
    await platform.wait_for(device, DeviceUplink)

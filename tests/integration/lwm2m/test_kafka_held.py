"""Kafka that takes nothing for a while: devices are told that they were heard, and nothing that is not kept."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform
from tests.integration.lwm2m.raw_client import RawClient, register_datagram

from sluice_common.messages.device_events import DeviceUplink
from sluice_embedded.stack import Stack

CONFIRMABLE, CREATED, UNAVAILABLE = 0x4, 0x41, 0xA3
END_SECONDS = 25.0


@pytest.fixture
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(acknowledge_after=1.5)


@contextmanager
def held(kafka_stack: Stack) -> Iterator[None]:
    kafka_stack.kill("kafka", signal.SIGSTOP)
    try:
        yield
    finally:
        kafka_stack.kill("kafka", signal.SIGCONT)


async def test_a_registration_that_kafka_is_slow_to_take_is_acknowledged_at_once_and_answered_when_it_is_kept(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, kafka_stack: Stack
) -> None:
    device, client = await new_device(gateway), RawClient(gateway.port)
    with held(kafka_stack):
        answering = asyncio.create_task(client.answer(register_datagram(device.endpoint, token=b"t")))
        await asyncio.sleep(4.0)
        assert client.acknowledged, "the device goes on repeating its registration"
        assert not answering.done(), "nothing may be answered that Kafka does not have"
    answer = await answering
    assert (answer[0] >> 4, answer[1]) == (CONFIRMABLE, CREATED)
    await platform.wait_for(device, DeviceUplink)
    assert len(platform.events(device, DeviceUplink)) == 1
    client.close()


async def test_a_gateway_that_is_told_to_end_while_kafka_is_held_ends_and_tells_who_waits_to_come_again(
    gateway: GatewayProcess, new_device: NewDevice, kafka_stack: Stack
) -> None:
    device, client = await new_device(gateway), RawClient(gateway.port)
    with held(kafka_stack):
        answering = asyncio.create_task(client.answer(register_datagram(device.endpoint, token=b"t")))
        await asyncio.sleep(2.5)
        assert client.acknowledged
        async with asyncio.timeout(END_SECONDS):
            assert await asyncio.to_thread(gateway.stop) == 0
        answer = await answering
    assert (answer[0] >> 4, answer[1]) == (CONFIRMABLE, UNAVAILABLE)
    client.close()

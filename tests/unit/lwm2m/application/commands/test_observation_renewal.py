"""Observations that are renewed at a device's new address."""

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import STATE, T0, device_requests

from sluice_common.messages.device_events import FirmwareStateNotified
from sluice_common.messages.lwm2m_commands import Observe
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session

REMOTE = Peer(("10.0.0.1", 1))
"""Where the device of the world is."""


async def test_a_renewal_uses_the_same_token_and_publishes_the_state(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.commands.renew_observation(world.session)
    await world.settle()
    (notified,) = world.publisher.of(FirmwareStateNotified)
    assert (notified.state, notified.attempt) == (1, 1)
    assert world.sender.sent[0].token == world.sender.sent[1].token


async def test_a_device_without_an_observation_is_not_asked(world: World) -> None:
    world.commands.renew_observation(world.session)
    await world.settle()
    assert world.sender.sent == []


async def test_a_renewal_that_is_not_answered_publishes_nothing_and_keeps_the_observation(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.sender.answers = False
    world.commands.renew_observation(world.session)
    await world.settle()
    assert world.publisher.of(FirmwareStateNotified) == []
    assert world.session.record.observe_token is not None


async def test_a_renewal_that_is_accepted_without_a_value_is_followed_by_one_read(world: World) -> None:
    world.sender.observed = b""
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.sender.sent.clear()
    world.commands.renew_observation(world.session)
    await world.settle()
    assert [message.option(coap.OBSERVE) for message in world.sender.sent] == [b"", None]
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [1]


@pytest.mark.parametrize(("value", "states"), [(b"2", [2]), (b"idle", [])])
async def test_the_state_of_a_device_that_notifies_without_telling_it_is_read_once(
    world: World, value: bytes, states: list[int]
) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    token = world.sender.sent[0].token
    world.sender.sent.clear()
    world.sender.value = value
    notification = Message(coap.CON, coap.CONTENT, 1, token, ((coap.OBSERVE, b"\x05"),))
    await world.notifications.take(notification, REMOTE)
    await world.notifications.take(notification, REMOTE)
    await world.settle()
    assert [message.values(coap.URI_PATH) for message in world.sender.sent] == [[b"5", b"0", b"3"]]
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == states


async def test_a_state_is_not_read_while_the_device_may_be_restarting(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    token = world.sender.sent[0].token
    world.sender.sent.clear()
    world.session.suspended_until = T0 + 30
    notification = Message(coap.CON, coap.CONTENT, 1, token, ((coap.OBSERVE, b"\x05"),))
    await world.notifications.take(notification, REMOTE)
    await world.settle()
    assert world.sender.sent == []


@pytest.mark.parametrize(("observed", "asked"), [(b"2", [b""]), (None, [b"", None])])
async def test_an_observation_that_its_device_ends_is_renewed_and_else_its_state_read(
    world: World, observed: bytes | None, asked: list[bytes | None]
) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    token = world.sender.sent[0].token
    world.sender.sent.clear()
    world.sender.observed, world.sender.value = observed, b"2"
    await world.notifications.take(Message(coap.CON, coap.NOT_FOUND, 1, token), REMOTE)
    await world.settle()
    assert [message.option(coap.OBSERVE) for message in world.sender.sent] == asked
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]


@pytest.mark.parametrize("ask", [DeviceCommands.renew_observation, DeviceCommands.read_state])
async def test_a_state_that_was_asked_for_is_not_published_after_a_newer_notification(
    world: World, ask: Callable[[DeviceCommands, Session], None]
) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    token = world.sender.sent[0].token
    ask(world.commands, world.session)
    await asyncio.sleep(0)
    notified = Message(coap.CON, coap.CONTENT, 1, token, ((coap.OBSERVE, b"\x05"),), b"2")
    await world.notifications.take(notified, REMOTE)
    await world.settle()
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]
    assert len(world.sender.sent) == 2


async def test_an_error_whose_text_is_a_state_is_no_state(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.sender.observed = world.sender.value = None
    world.sender.diagnostic = b"2"
    world.commands.renew_observation(world.session)
    await world.settle()
    assert world.publisher.of(FirmwareStateNotified) == []


async def test_a_state_that_was_asked_for_is_published_when_kafka_is_back(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.publisher.failure = OSError("no Kafka")
    world.commands.renew_observation(world.session)
    await world.settle()
    assert world.publisher.of(FirmwareStateNotified) == []
    world.publisher.failure = None
    await world.commands.drain()
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [1]


async def test_a_state_that_was_asked_for_is_not_published_late_after_a_newer_notification(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    token = world.sender.sent[0].token
    world.publisher.failure = OSError("no Kafka")
    world.commands.renew_observation(world.session)
    await world.settle()
    world.publisher.failure = None
    notified = Message(coap.CON, coap.CONTENT, 1, token, ((coap.OBSERVE, b"\x05"),), b"2")
    await world.notifications.take(notified, REMOTE)
    await world.commands.drain()
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]

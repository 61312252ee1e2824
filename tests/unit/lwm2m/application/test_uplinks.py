"""Uplinks that are reported while nothing waits for Kafka: messages that get no answer of their own."""

import asyncio

import msgspec
import pytest
from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import T0, registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink, UplinkKind
from sluice_lwm2m.domain.coap.peer import Peer

REMOTE = Peer(("10.0.0.1", 1))


class World(Application):
    """One queue-mode device, whose awake window of 10 seconds began 50 seconds ago."""

    def __init__(self) -> None:
        super().__init__()
        self.session = self.register(registration(queue_mode=True))
        self.now = T0 + 50


@pytest.fixture
def world() -> World:
    return World()


async def test_a_device_that_was_taken_for_asleep_is_reported_once_per_window(world: World) -> None:
    for _ in range(3):
        world.reporter.report_unmatched(REMOTE)
    await asyncio.sleep(0)
    (uplink,) = world.publisher.of(DeviceUplink)
    assert (uplink.kind, uplink.epoch, uplink.awake_until) == (UplinkKind.DATA, 1, utc(T0 + 60))


async def test_a_message_from_an_unknown_address_is_not_reported(world: World) -> None:
    world.reporter.report_unmatched(Peer(("10.0.0.2", 1)))
    await asyncio.sleep(0)
    assert world.publisher.messages == []


async def test_a_device_that_has_deregistered_or_expired_is_not_reported(world: World) -> None:
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, deregistered=True))
    world.reporter.report_unmatched(REMOTE)
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, deregistered=False))
    world.session.expires_at = T0 + 50
    world.reporter.report_unmatched(REMOTE)
    await asyncio.sleep(0)
    assert world.publisher.messages == []


async def test_a_late_response_does_not_resume_the_sends_that_an_execute_has_suspended(world: World) -> None:
    world.session.suspended_until = T0 + 60
    world.reporter.report_unmatched(REMOTE)
    await asyncio.sleep(0)
    assert world.publisher.messages == []
    assert not world.session.is_reachable(T0 + 55)


async def test_an_uplink_that_kafka_did_not_take_is_reported_with_the_next_message(world: World) -> None:
    world.publisher.failure = OSError("no Kafka")
    world.reporter.report_unmatched(REMOTE)
    await asyncio.sleep(0)
    assert world.session.note_uplink(T0 + 51)

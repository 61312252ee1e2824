"""Words that need no answer: what the scheduler hears of them."""

import asyncio
from typing import Any

import msgspec
from tests.unit.lwm2m.conftest import Kafka

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink, UplinkKind
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.application.uplinks import SignsOfLife
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.sessions import Sessions

T0 = 1_700_000_000.0
REMOTE: Address = ("10.0.0.1", 1)


class BrokenKafka(Kafka):
    """Takes nothing."""

    async def publish(self, *_: Any, **__: Any) -> None:
        """Fail."""
        raise OSError


class World:
    """One sleepy device that spoke 50 seconds ago."""

    def __init__(self, kafka: Kafka | None = None) -> None:
        self.kafka = kafka or Kafka()
        self.sessions = Sessions(0, awake_window=10)
        self.session = self.sessions.register(
            Registration(
                app_id="a",
                occurred_at=utc(T0),
                device_id="d",
                endpoint="ep",
                address="10.0.0.1:1",
                gateway=0,
                epoch=1,
                location="l",
                lifetime=1_000,
                expires_at=utc(T0 + 1_000),
                queue_mode=True,
            ),
            T0,
        )
        self.signs = SignsOfLife(self.sessions, DeviceEvents(self.kafka), lambda: T0 + 50)


async def test_a_device_that_was_taken_for_asleep_is_announced_once() -> None:
    world = World()
    for _ in range(3):
        world.signs.heard(REMOTE)
    await asyncio.sleep(0)
    (told,) = world.kafka.of(DeviceUplink)
    assert (told.kind, told.epoch, told.awake_until) == (UplinkKind.DATA, 1, utc(T0 + 60))


async def test_a_stranger_is_nobody() -> None:
    world = World()
    world.signs.heard(("10.0.0.2", 1))
    await asyncio.sleep(0)
    assert world.kafka.messages == []


async def test_a_device_that_has_left_is_not_announced() -> None:
    world = World()
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, deregistered=True))
    world.signs.heard(REMOTE)
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, deregistered=False))
    world.session.expires_at = T0 + 50
    world.signs.heard(REMOTE)
    await asyncio.sleep(0)
    assert world.kafka.messages == []


async def test_a_late_answer_does_not_end_the_silence_after_an_execute() -> None:
    world = World()
    world.session.quiet_until = T0 + 60
    world.signs.heard(REMOTE)
    await asyncio.sleep(0)
    assert world.kafka.messages == []
    assert not world.session.reachable(T0 + 55)


async def test_what_kafka_did_not_take_is_news_again() -> None:
    world = World(BrokenKafka())
    world.signs.heard(REMOTE)
    await asyncio.sleep(0)
    assert world.session.contact(T0 + 51)

"""What a device has notified while Kafka was away is not lost, though the device gives it up."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from tests.unit.lwm2m.builders import ATTEMPT, T0, registration
from tests.unit.lwm2m.observed_device import REMOTE, ObservedDevice, notification
from tests.unit.lwm2m.virtual_time import VirtualTimeLoop

from sluice_common.messages.device_events import DeviceUplink, FirmwareStateNotified
from sluice_lwm2m.application.unacknowledged import MAX_PUBLISHED_AT_ONCE, MAX_TRANSMIT_WAIT
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.peer import Peer

OUTAGE = 60.0


class World(ObservedDevice):
    """An observed device whose time is that of the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__()

    def clock(self) -> float:
        return T0 + self._loop.time()

    async def notify(self, state: bytes, sequence: int, kind: int = coap.CON) -> None:
        """Let the device notify its state."""
        await self.notifications.take(notification(state, sequence, kind=kind), REMOTE)

    async def notify_in_vain(self, state: bytes, sequence: int = 1, kind: int = coap.CON) -> None:
        """Let the device notify its state while Kafka is away."""
        self.publisher.failure = KafkaTimeoutError()
        with pytest.raises(KafkaTimeoutError):
            await self.notify(state, sequence, kind)

    def states(self) -> list[int]:
        """Return the states that Kafka has."""
        return [event.state for event in self.publisher.of(FirmwareStateNotified)]


Play = Callable[[Callable[[World], Any]], None]


@pytest.fixture
def play() -> Iterator[Play]:
    """Runs a scene in which a minute takes no time."""
    loop = VirtualTimeLoop()

    async def run(scene: Callable[[World], Any]) -> None:
        world = World()
        async with world.tasks:
            await scene(world)

    yield lambda scene: loop.run_until_complete(run(scene))
    loop.close()


@pytest.mark.parametrize("kind", [coap.CON, coap.NON])
def test_what_a_device_has_told_while_kafka_was_away_is_published_when_it_is_back(play: Play, kind: int) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"2", kind=kind)
        await asyncio.sleep(OUTAGE)
        assert world.states() == []
        world.publisher.failure = None
        await asyncio.sleep(10)
        assert world.states() == [2]

    play(scene)


def test_of_what_a_device_has_told_while_kafka_was_away_only_the_newest_is_published(play: Play) -> None:
    async def scene(world: World) -> None:
        for sequence, state in enumerate((b"1", b"2", b"3")):
            await world.notify_in_vain(state, sequence)
            await asyncio.sleep(OUTAGE)
        await world.notify_in_vain(b"2", 1)
        world.publisher.failure = None
        await asyncio.sleep(10)
        assert world.states() == [3]

    play(scene)


def test_what_the_device_has_repeated_with_success_is_published_once(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"2")
        world.publisher.failure = None
        await world.notify(b"2", 1)
        await asyncio.sleep(MAX_TRANSMIT_WAIT)
        assert world.states() == [2]
        assert world.renewed == []

    play(scene)


def test_an_observation_that_its_device_may_have_given_up_is_renewed_once_it_has_had_the_time_to(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"1")
        await asyncio.sleep(30)
        await world.notify_in_vain(b"1")
        world.publisher.failure = None
        await asyncio.sleep(MAX_TRANSMIT_WAIT - 31)
        assert world.renewed == []
        await asyncio.sleep(2)
        assert world.renewed == [world.session]

    play(scene)


def test_what_a_device_told_before_it_registered_anew_is_not_published_but_asked_for(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"2")
        world.session.begin_registration(world.session.record, T0 + 1_000, world.clock())
        world.publisher.failure = None
        await asyncio.sleep(MAX_TRANSMIT_WAIT + 1)
        assert world.states() == []
        assert world.renewed == [world.session]

    play(scene)


def test_a_notification_that_takes_too_long_is_published_all_the_same(play: Play) -> None:
    async def scene(world: World) -> None:
        world.publisher.gate.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await world.notify(b"2", 1)
        world.publisher.gate.set()
        await asyncio.sleep(10)
        assert world.states() == [2]

    play(scene)


def test_what_is_published_late_is_of_now_for_the_time_of_the_next_step_begins_with_it(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"2")
        await asyncio.sleep(OUTAGE)
        world.publisher.failure = None
        await asyncio.sleep(10)
        (event,) = world.publisher.of(FirmwareStateNotified)
        assert event.occurred_at.timestamp() > T0 + OUTAGE

    play(scene)


def test_a_device_that_notifies_without_end_while_kafka_is_away_costs_one_task_and_one_place_in_its_mailbox(
    play: Play,
) -> None:
    async def scene(world: World) -> None:
        for sequence in range(200):
            await world.notify_in_vain(b"1", sequence)
        assert len(world.tasks) == 1
        await asyncio.sleep(OUTAGE)
        assert len(world.tasks) == 1
        world.publisher.failure = None
        await asyncio.sleep(10)
        assert world.states() == [1]
        await asyncio.sleep(MAX_TRANSMIT_WAIT)
        assert len(world.tasks) == 0

    play(scene)


def test_a_copy_of_an_older_notification_that_is_acknowledged_does_not_drop_a_newer_one(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"1", 1)
        await world.notify_in_vain(b"2", 2)
        world.publisher.failure = None
        await world.notify(b"1", 1)
        await asyncio.sleep(10)
        assert world.states() == [1, 2]

    play(scene)


def test_a_notification_after_a_registration_is_another_one_though_its_token_and_number_are_the_same(
    play: Play,
) -> None:
    async def scene(world: World) -> None:
        await world.notify_in_vain(b"2", 1)
        world.session.begin_registration(world.session.record, T0 + 1_000, world.clock())
        await world.notify_in_vain(b"0", 1)
        world.publisher.failure = None
        await asyncio.sleep(10)
        assert world.states() == [0]

    play(scene)


def test_that_a_device_is_awake_is_reported_late_too_before_what_it_has_told(play: Play) -> None:
    async def scene(world: World) -> None:
        world.session.clear_reported()
        await world.notify_in_vain(b"2")
        await asyncio.sleep(OUTAGE)
        world.publisher.failure = None
        await asyncio.sleep(10)
        uplink, notified = world.publisher.messages
        assert isinstance(uplink, DeviceUplink)
        assert isinstance(notified, FirmwareStateNotified)

    play(scene)


def test_of_the_kept_notifications_of_a_fleet_no_more_than_its_places_are_published_at_once(play: Play) -> None:
    async def scene(world: World) -> None:
        world.publisher.failure = KafkaTimeoutError()
        for number in range(MAX_PUBLISHED_AT_ONCE + 1):
            token = number.to_bytes(2, "big")
            session = world.register(registration(f"d-{number}", observe_token=token.hex(), observe_attempt=ATTEMPT))
            session.mark_reported(T0, session.awake_until)
            with pytest.raises(KafkaTimeoutError):
                await world.notifications.take(notification(b"2", token=token), Peer(("10.0.1.1", number)))
        world.publisher.gate.clear()
        await asyncio.sleep(30)
        assert world.publisher.in_flight == MAX_PUBLISHED_AT_ONCE
        world.publisher.failure = None
        world.publisher.gate.set()
        await asyncio.sleep(10)
        assert len(world.states()) == MAX_PUBLISHED_AT_ONCE + 1

    play(scene)

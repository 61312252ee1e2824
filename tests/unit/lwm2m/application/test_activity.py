"""Last-seen: every word of a device is reported within half a minute, in few records."""

import pytest
from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import T0, registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_activity import DevicesSeen
from sluice_lwm2m.application.activity import Activity


class World(Application):
    """A gateway whose devices registered long ago."""

    def __init__(self, devices: int = 2) -> None:
        super().__init__()
        self.activity = Activity(0, self.sessions, self.publisher, self.clock)
        self.devices = [self.register(registration(str(n), address=f"10.0.0.1:{n + 1}")) for n in range(devices)]

    async def reported(self) -> list[tuple[str, ...]]:
        """Return the devices of each record that is due now."""
        await self.activity.publish()
        reported = [seen.device_ids for seen in self.publisher.of(DevicesSeen)]
        self.publisher.messages.clear()
        return reported


@pytest.fixture
def world() -> World:
    return World()


async def test_who_has_spoken_is_told_in_one_record_for_all(world: World) -> None:
    world.now += 25
    await world.activity.publish()
    world.now += 5
    for device in world.devices:
        device.extend_awake_window(world.now)
    await world.activity.publish()
    (seen,) = world.publisher.of(DevicesSeen)
    assert (seen.device_ids, seen.occurred_at) == (("0", "1"), utc(T0 + 25))


async def test_a_device_is_told_at_its_first_word_and_again_with_the_next_after_25_seconds(world: World) -> None:
    reported = []
    for seconds in range(0, 120, 5):
        world.now = T0 + seconds
        world.devices[0].extend_awake_window(world.now)
        reported += [seconds for ids in await world.reported() if ids]
    assert reported == [25, 50, 75, 100]


async def test_nothing_is_told_when_nobody_has_spoken_and_of_a_registration_its_own_record_tells(world: World) -> None:
    assert await world.reported() == []


async def test_a_record_names_ten_thousand_devices_at_most() -> None:
    world = World(0)
    world.sessions.active += [str(n) for n in range(10_001)]
    assert [len(ids) for ids in await world.reported()] == [10_000, 1]


async def test_a_record_that_kafka_does_not_take_is_lost_and_ends_nothing(world: World) -> None:
    world.sessions.active.append("0")
    world.publisher.failure = OSError("no Kafka")
    assert await world.reported() == []
    world.publisher.failure = None
    assert await world.reported() == []

"""Devices by endpoint client name: the cache, and look-ups that travel together."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from sluice_common.background import BackgroundTasks
from sluice_lwm2m.adapters.device_directory import MongoDeviceDirectory
from sluice_lwm2m.application.ports import DirectoryBusyError, KnownDevice
from sluice_lwm2m.domain.name_owners import NameOwners, UnboundNames

MAX_WAITING = 1_000


class Devices:
    """A collection that notes what it is asked."""

    def __init__(self, *endpoints: str) -> None:
        self.known = set(endpoints)
        self.apps = ["a"]
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None
        self.is_back = asyncio.Event()
        self.is_back.set()

    async def find(self, query: Mapping[str, Any], _: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the devices that are known."""
        self.asked.append(query["endpoint"]["$in"])
        await self.is_back.wait()
        if self.failure:
            raise self.failure
        for endpoint in query["endpoint"]["$in"]:
            if endpoint in self.known:
                for app_id in self.apps:
                    yield {"_id": f"id-{endpoint}", "app_id": app_id, "endpoint": endpoint}


class Clock:
    """Time that stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def all_of_one_app() -> NameOwners:
    """Return that all names are app `a`'s."""
    return NameOwners({"": "a"}, UnboundNames.REFUSED)


def directory(devices: Devices, clock: Clock | None = None, capacity: int = 10) -> MongoDeviceDirectory:
    return MongoDeviceDirectory(
        devices,
        all_of_one_app,
        BackgroundTasks(),
        ttl=60,
        capacity=capacity,
        max_waiting=MAX_WAITING,
        clock=clock or Clock(),
    )


async def test_a_known_endpoint_is_found_and_an_unknown_one_is_not() -> None:
    found = directory(Devices("ep"))
    assert await found.find("ep") == KnownDevice("id-ep", "a")
    assert await found.find("stranger") is None


async def test_a_device_of_another_app_with_this_name_changes_nothing() -> None:
    devices = Devices("ep")
    devices.apps = ["squatter", "a", "another"]
    assert await directory(devices).find("ep") == KnownDevice("id-ep", "a")
    devices.apps = ["squatter"]
    assert await directory(devices).find("ep") is None


async def test_a_known_endpoint_is_not_looked_up_again_before_its_ttl_ends() -> None:
    devices, clock = Devices("ep"), Clock()
    found = directory(devices, clock)
    await found.find("ep")
    clock.now = 59.9
    await found.find("ep")
    assert len(devices.asked) == 1
    clock.now = 60
    devices.known.clear()
    assert await found.find("ep") is None


async def test_an_endpoint_counts_as_found_until_a_look_up_finds_it_no_more() -> None:
    devices, clock = Devices("ep"), Clock()
    found = directory(devices, clock)
    assert not found.was_found("ep")
    await found.find("ep")
    clock.now = 60
    assert found.was_found("ep")
    devices.known.clear()
    await found.find("ep")
    assert not found.was_found("ep")


async def test_an_unknown_endpoint_is_looked_up_every_time() -> None:
    devices = Devices()
    found = directory(devices)
    assert await found.find("ep") is None
    devices.known.add("ep")
    assert await found.find("ep") is not None


async def test_devices_that_come_together_are_looked_up_together() -> None:
    names = [f"ep-{n}" for n in range(250)]
    devices = Devices(*names)
    found = directory(devices, capacity=1_000)
    answers = await asyncio.gather(*(found.find(name) for name in names + names))
    assert all(answers)
    assert [len(asked) for asked in devices.asked] == [100, 100, 50]


async def test_a_failed_look_up_reaches_all_who_wait_for_it_and_no_later_one() -> None:
    devices = Devices("ep")
    devices.failure = ConnectionError("no database")
    found = directory(devices)
    answers = await asyncio.gather(found.find("ep"), found.find("ep"), return_exceptions=True)
    assert all(isinstance(answer, ConnectionError) for answer in answers)
    devices.failure = None
    assert await found.find("ep") is not None


async def test_a_cancelled_look_up_leaves_the_others_their_result() -> None:
    found = directory(Devices("ep"))
    patient = asyncio.create_task(found.find("ep"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(found.find("ep"), 0.0001)
    assert await patient is not None


async def test_the_cache_never_outgrows_its_capacity() -> None:
    names = [f"ep-{n}" for n in range(25)]
    devices = Devices(*names)
    found = directory(devices)
    for name in names:
        await found.find(name)
    assert len(found._cache) <= 10


async def test_names_that_wait_for_the_database_leave_room_and_known_ones_have_more_of_it_than_strangers() -> None:
    devices, clock = Devices(*(f"known-{n}" for n in range(MAX_WAITING))), Clock()
    found = directory(devices, clock, capacity=10_000)
    for half in (range(MAX_WAITING // 2), range(MAX_WAITING // 2, MAX_WAITING)):
        await asyncio.gather(*(found.find(f"known-{n}") for n in half))
    clock.now = 60
    devices.is_back.clear()
    async with BackgroundTasks() as tasks:
        for n in range(MAX_WAITING // 2):
            tasks.start(found.find(f"stranger-{n}"))
        await asyncio.sleep(0)
        with pytest.raises(DirectoryBusyError):
            await found.find("one more stranger")
        for n in range(MAX_WAITING // 2):
            tasks.start(found.find(f"known-{n}"))
        await asyncio.sleep(0)
        with pytest.raises(DirectoryBusyError):
            await found.find(f"known-{MAX_WAITING - 1}")
        devices.is_back.set()
        await tasks.wait()
    assert await found.find("one more stranger") is None
    assert await found.find(f"known-{MAX_WAITING - 1}") is not None

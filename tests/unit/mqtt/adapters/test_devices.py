"""Devices by id: the cache, look-ups that travel together, and secrets that do not open."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from sluice_common.background import BackgroundTasks
from sluice_common.sealing import Sealer
from sluice_common.supervision import Backoff
from sluice_mqtt.adapters import devices as adapter
from sluice_mqtt.adapters.devices import Lifetimes, MongoDevices
from sluice_mqtt.application.ports import StoreUnavailableError

SEALER = Sealer(["k" * 32])


class Collection:
    """A collection that notes what it is asked."""

    def __init__(self, **sealed: str | None) -> None:
        self.sealed = sealed
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None

    def find(self, query: dict[str, dict[str, list[str]]], _: object) -> "Cursor":
        """Return the devices that are known."""
        self.asked.append(query["_id"]["$in"])
        return Cursor(self, query["_id"]["$in"])


class Cursor:
    """What a query finds."""

    def __init__(self, collection: Collection, device_ids: list[str]) -> None:
        self.collection = collection
        self.device_ids = device_ids

    async def to_list(self) -> list[dict[str, Any]]:
        """Return it."""
        if self.collection.failure:
            raise self.collection.failure
        sealed = {
            device_id: self.collection.sealed[device_id]
            for device_id in self.device_ids
            if device_id in self.collection.sealed
        }
        return [
            {"_id": device_id, "app_id": "a"} | ({} if secret is None else {"mqtt_secret": secret})
            for device_id, secret in sealed.items()
        ]


class Clock:
    """Time that stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(collection: Collection, clock: Clock | None = None, capacity: int = 100) -> MongoDevices:
    lifetimes = Lifetimes(device=600.0, secret=30.0, unknown=5.0)
    return MongoDevices(
        collection,
        SEALER,
        lifetimes,
        BackgroundTasks(),
        capacity=capacity,
        clock=clock or Clock(),
    )


async def test_sealed_secrets_are_opened() -> None:
    devices = make(Collection(d1=SEALER.seal(b"secret"), d2=None))
    assert await devices.find_secret("d1") == b"secret"
    assert await devices.find_secret("d2") is None
    assert await devices.find_secret("d3") is None


async def test_a_device_whose_secret_cannot_be_opened_is_known_without_it() -> None:
    devices = make(Collection(d1=Sealer(["x" * 32]).seal(b"secret"), d2="no seal"))
    for device_id in ("d1", "d2"):
        assert await devices.find_secret(device_id) is None
        device = await devices.find(device_id)
        assert device is not None
        assert device.app_id == "a"


async def test_look_ups_of_one_moment_share_a_query() -> None:
    collection = Collection(d1=None)
    devices = make(collection)
    await asyncio.gather(*(devices.find(f"d{n % 3}") for n in range(9)))
    assert [sorted(ids) for ids in collection.asked] == [["d0", "d1", "d2"]]


async def test_apps_are_cached_longer_than_secrets_and_those_longer_than_unknown_devices() -> None:
    collection, clock = Collection(d1=SEALER.seal(b"secret")), Clock()
    devices = make(collection, clock)
    for now, expected in ((0.0, 1), (4.0, 1), (29.0, 1), (31.0, 2)):
        clock.now = now
        await devices.find_secret("d1")
        await devices.find("d1")
        assert len(collection.asked) == expected
    for now, expected in ((100.0, 3), (104.0, 3), (106.0, 4)):
        clock.now = now
        await devices.find("nobody")
        assert len(collection.asked) == expected


async def test_a_secret_is_read_anew_once_a_second_at_most() -> None:
    collection, clock = Collection(d1=SEALER.seal(b"old")), Clock()
    devices = make(collection, clock)
    assert await devices.find_secret("d1") == b"old"
    collection.sealed["d1"] = SEALER.seal(b"new")
    clock.now = 0.5
    assert await devices.find_secret_anew("d1") == b"old"
    clock.now = 1.5
    assert [await devices.find_secret_anew("d1") for _ in range(9)] == [b"new"] * 9
    assert len(collection.asked) == 2


async def test_a_device_without_a_secret_is_read_anew_and_an_unknown_device_is_not() -> None:
    collection, clock = Collection(d1=None), Clock()
    devices = make(collection, clock)
    assert [await devices.find_secret(d) for d in ("d1", "nobody")] == [None, None]
    collection.sealed["d1"] = SEALER.seal(b"new")
    clock.now = 1.5
    assert await devices.find_secret_anew("d1") == b"new"
    asked = len(collection.asked)
    assert await devices.find_secret_anew("nobody") is None
    assert len(collection.asked) == asked


async def test_a_deleted_device_is_unknown_when_its_cache_entry_has_expired() -> None:
    collection, clock = Collection(d1=None, d2=None), Clock()
    devices = make(collection, clock)
    assert await devices.find_unknown(["d1", "d2"]) == set()
    del collection.sealed["d2"]
    assert await devices.find_unknown(["d1", "d2"]) == set()
    clock.now = 601.0
    assert await devices.find_unknown(["d1", "d2"]) == {"d2"}
    collection.failure, clock.now = AutoReconnect("away"), 2000.0
    with pytest.raises(StoreUnavailableError, match="away"):
        await devices.find_unknown(["d1"])


async def test_a_failure_reaches_all_look_ups_of_its_query_and_is_not_cached() -> None:
    collection = Collection(d1=None)
    devices = make(collection)
    collection.failure = OSError("away")
    results = await asyncio.gather(*(devices.find_secret(d) for d in ("d1", "d2")), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    collection.failure = None
    assert await devices.find("d1") is not None


async def test_finding_the_app_of_a_device_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_BACKOFF", Backoff(0.0, 0.0))
    collection = Collection(d1=None)
    collection.failure = AutoReconnect("away")
    finding = asyncio.create_task(make(collection).find("d1"))
    while len(collection.asked) < 3:
        await asyncio.sleep(0.001)
    collection.failure = None
    device = await finding
    assert device is not None
    assert device.app_id == "a"


@pytest.mark.parametrize("capacity", [1, 3])
async def test_the_cache_stays_within_its_capacity(capacity: int) -> None:
    devices = make(Collection(), capacity=capacity)
    for number in range(20):
        await devices.find(f"d{number}")
    assert len(devices._cache) <= capacity

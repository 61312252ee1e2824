"""Registrations that begin and end at the same time."""

import asyncio
from functools import partial

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError
from tests.unit.lwm2m.application.registration.world import CHECK_INTERVAL, LIFETIME, World
from tests.unit.lwm2m.builders import ATTEMPT

from sluice_common import supervision
from sluice_common.background import BackgroundTasks
from sluice_common.messages.device_events import DeviceDeregistered, DeviceEvent, DeviceUplink
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted
from sluice_lwm2m.domain.registering import Parameters


async def test_a_device_that_registers_while_expired_ones_are_ended_stays_registered(world: World) -> None:
    await world.register_over_coap("first", Peer(("10.0.0.1", 1)))
    await world.register_over_coap("second", Peer(("10.0.0.2", 1)))
    world.now += LIFETIME
    world.publisher.gate.clear()
    expiring = asyncio.create_task(world.lifecycle.expire())
    registering = asyncio.create_task(world.register_over_coap("second", Peer(("10.0.0.2", 1))))
    await world.reach_kafka()
    world.publisher.gate.set()
    await asyncio.gather(expiring, registering)
    assert [event.device_id for event in world.publisher.of(DeviceDeregistered)] == ["first"]
    record = world.sessions.record("second")
    assert record is not None
    assert not record.deregistered
    await world.lifecycle.expire()
    world.now += LIFETIME
    await world.lifecycle.expire()
    assert [event.device_id for event in world.publisher.of(DeviceDeregistered)] == ["first", "second"]


@pytest.mark.parametrize("expires", [True, False])
async def test_the_end_of_a_registration_names_its_epoch_even_if_the_device_has_registered_anew(
    world: World, expires: bool
) -> None:
    location = await world.register_over_coap()
    world.now += LIFETIME if expires else 0
    world.publisher.gate.clear()
    ending = asyncio.create_task(world.lifecycle.expire() if expires else world.deregister(location))
    await world.reach_kafka()
    registering = asyncio.create_task(world.register_over_coap())
    await world.reach_kafka()
    world.publisher.gate.set()
    await asyncio.gather(ending, registering)
    first, second = world.publisher.of(DeviceUplink)
    (ended,) = world.publisher.of(DeviceDeregistered)
    assert ended.epoch == first.epoch < second.epoch
    record = world.sessions.record("d")
    assert record is not None
    assert not record.deregistered


async def observed(world: World) -> None:
    """Let a device register whose firmware state is observed."""
    await world.register_over_coap()
    session = world.sessions.owned("d")
    assert session is not None
    record = msgspec.structs.replace(session.record, observe_token="0a", observe_attempt=ATTEMPT)
    await world.store.replace(session, record)


async def test_a_device_that_registers_anew_is_not_asked_by_the_gateway_what_the_scheduler_asks(world: World) -> None:
    await observed(world)
    await world.register_over_coap()
    await world.register_over_coap(remote=Peer(("10.0.0.2", 2)))
    await asyncio.sleep(0.01)
    assert world.sender.sent == []


@pytest.mark.parametrize("asleep", [True, False])
async def test_an_observation_is_renewed_at_another_address_of_a_device_that_the_scheduler_takes_for_awake(
    world: World, asleep: bool
) -> None:
    await observed(world)
    session = world.sessions.owned("d")
    assert session is not None
    if asleep:
        session.clear_reported()
    await world.lifecycle.update(session, Parameters(), Peer(("10.0.0.2", 2)))
    await asyncio.sleep(0.01)
    assert len(world.sender.sent) == (0 if asleep else 1)


async def test_a_device_that_was_deleted_ends_by_an_update_and_not_by_each_of_them(world: World) -> None:
    location = await world.register_over_coap()
    lookups = world.directory.lookups
    assert await world.update(location) == coap.CHANGED
    assert world.directory.lookups == lookups
    world.now += CHECK_INTERVAL
    assert await world.update(location) == coap.CHANGED
    await world.tasks.wait()
    assert await world.update(location) == coap.CHANGED
    assert world.directory.lookups == lookups + 1
    world.directory.delete("d")
    world.now += CHECK_INTERVAL
    assert await world.update(location) == coap.CHANGED
    await world.tasks.wait()
    assert await world.update(location) == coap.NOT_FOUND
    (ended,) = world.publisher.of(DeviceDeregistered)
    assert ended.device_id == "d"


async def test_a_device_is_not_ended_because_the_database_does_not_answer(world: World) -> None:
    location = await world.register_over_coap()
    world.directory.failure = OSError("no MongoDB")
    world.now += CHECK_INTERVAL
    assert await world.update(location) == coap.CHANGED
    await world.tasks.wait()
    assert await world.update(location) == coap.CHANGED


async def test_a_shortened_lifetime_ends_when_it_says(world: World) -> None:
    location = await world.register_over_coap()
    assert await world.update(location, b"lt=10") == coap.CHANGED
    world.now += 10
    await world.lifecycle.expire()
    assert len(world.publisher.of(DeviceDeregistered)) == 1


async def test_an_update_that_waited_while_its_registration_ended_is_not_found(world: World) -> None:
    location = await world.register_over_coap()
    world.publisher.gate.clear()
    leaving = asyncio.create_task(world.deregister(location))
    updating = asyncio.create_task(world.update(location, b"lt=50"))
    await world.reach_kafka()
    world.publisher.gate.set()
    codes = await asyncio.gather(leaving, updating)
    assert list(codes) == [coap.DELETED, coap.NOT_FOUND]
    record = world.sessions.record("d")
    assert record is not None
    assert record.deregistered


async def test_a_device_that_updates_while_its_end_waits_stays_registered(world: World) -> None:
    location = await world.register_over_coap()
    world.now += LIFETIME - 1
    world.publisher.gate.clear()
    updating = asyncio.create_task(world.update(location, b"lt=90"))
    await asyncio.sleep(0)
    world.now += 1
    expiring = asyncio.create_task(world.lifecycle.expire())
    await world.reach_kafka()
    world.publisher.gate.set()
    await asyncio.gather(expiring, updating)
    assert world.publisher.of(DeviceDeregistered) == []
    world.now += 89
    await world.lifecycle.expire()
    assert len(world.publisher.of(DeviceDeregistered)) == 1


async def test_a_registration_whose_report_kafka_did_not_take_is_reported_when_it_is_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, failures = world.publisher.publish_event, [KafkaTimeoutError()]

    async def fail_once(event: DeviceEvent) -> None:
        if failures:
            raise failures.pop()
        await publish(event)

    monkeypatch.setattr(world.publisher, "publish_event", fail_once)
    with pytest.raises(KafkaTimeoutError):
        await world.register_over_coap()
    assert world.publisher.of(DeviceUplink) == []
    await world.register_over_coap()
    (uplink,) = world.publisher.of(DeviceUplink)
    assert uplink.epoch == world.publisher.of(Registration)[-1].epoch


async def test_a_registration_whose_end_kafka_did_not_take_ends_when_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "Backoff", partial(supervision.Backoff, 0.001, 0.002))
    await world.register_over_coap()
    world.now += LIFETIME
    world.publisher.failure = KafkaTimeoutError()
    async with BackgroundTasks() as tasks:
        expiring = tasks.start(world.lifecycle.expire())
        await asyncio.sleep(0.02)
        assert not expiring.done()
        world.publisher.failure = None
        await asyncio.wait_for(expiring, 60)
    assert [event.device_id for event in world.publisher.of(DeviceDeregistered)] == ["d"]
    assert world.publisher.of(Registration)[-1].deregistered


async def test_a_device_whose_leave_kafka_did_not_take_leaves_when_it_repeats_it(world: World) -> None:
    location = await world.register_over_coap()
    world.publisher.failure = KafkaTimeoutError()
    with pytest.raises(KafkaTimeoutError):
        await world.deregister(location)
    world.publisher.failure = None
    assert await world.deregister(location) == coap.DELETED
    assert [event.device_id for event in world.publisher.of(DeviceDeregistered)] == ["d"]


async def test_a_registration_whose_end_may_be_in_kafka_is_published_again_when_its_device_goes_on(
    world: World,
) -> None:
    location = await world.register_over_coap()
    session = world.sessions.owned("d")
    assert session is not None
    assert session.remote is not None
    world.publisher.failure = KafkaTimeoutError()
    with pytest.raises(KafkaTimeoutError):
        await world.deregister(location)
    world.publisher.failure = None
    await world.lifecycle.update(session, Parameters(), session.remote)
    assert not world.publisher.of(Registration)[-1].deregistered
    assert session.is_saved


async def test_many_registrations_end_at_once_and_one_that_cannot_ends_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(60):
        await world.register_over_coap(f"d-{n}", Peer(("10.0.0.1", n + 1)))
    publish, waiting = world.publisher.publish_registration, [0]

    async def wait(record: Registration) -> None:
        waiting[0] = max(waiting[0], world.publisher.in_flight + 1)
        if record.device_id == "d-7":
            raise KeyError("a fault of ours")
        await publish(record)

    monkeypatch.setattr(world.publisher, "publish_registration", wait)
    world.now += LIFETIME
    world.publisher.gate.clear()
    async with BackgroundTasks() as tasks:
        expiring = tasks.start(world.lifecycle.expire())
        await world.reach_kafka()
        world.publisher.gate.set()
        await asyncio.wait_for(expiring, 60)
    assert waiting[0] > 50
    assert len(world.publisher.of(DeviceDeregistered)) == 59
    assert world.counters[Counted.EXPIRED] == 59

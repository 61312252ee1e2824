"""The registration interface when several things happen at once; Kafka and the directory are the only fakes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.unit.lwm2m.conftest import Directory, Kafka

from sluice_common.messages.device_events import DeviceDeregistered, DeviceUplink
from sluice_common.settings import CommonSettings
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.adapters.registration_log import RegistrationLog
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.registration.interface import RegistrationInterface
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.blocks import Block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counters
from sluice_lwm2m.domain.registering import LifetimeBounds
from sluice_lwm2m.domain.sessions import Sessions

T0 = 1_700_000_000.0
LIFETIME = 100
REMOTE: Address = ("10.0.0.1", 5683)


class World:
    """A gateway without sockets, and time that stands still."""

    def __init__(self) -> None:
        self.now = T0
        self.kafka = Kafka()
        self.sessions = Sessions(0, awake_window=10)
        log = RegistrationLog(CommonSettings(), self.kafka)
        events = DeviceEvents(self.kafka)
        counters = Counters()
        self.commands = DeviceCommands(
            sessions=self.sessions,
            requester=Requester(Exchanges(lambda *_: None, Transmission(1, 0, 1)), self.clock),
            log=log,
            events=events,
            sign=lambda *_: "",
            publish_state=Notifications(self.sessions, log, events, counters, self.clock).publish,
            silence=30,
            max_waiting=2,
            counters=counters,
            clock=self.clock,
        )
        self.interface = RegistrationInterface(
            gateway=0,
            bounds=LifetimeBounds(LIFETIME, 1, 1_000),
            sessions=self.sessions,
            assembly=Assembly(max_bodies=10, longest=200, lifetime=60),
            directory=Directory(),
            log=log,
            events=events,
            commands=self.commands,
            counters=counters,
            clock=self.clock,
        )

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def register(self, device_id: str = "d", remote: Address = REMOTE) -> str:
        """Let a device register; return the location that it gets."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={device_id}".encode()))
        reply = await self.interface.answer(Message(coap.CON, coap.POST, 1, b"", options), remote)
        assert reply.code == coap.CREATED
        return reply.options[-1][1].decode()

    async def deregister(self, location: str) -> int:
        """Let a device de-register; return the code of the answer."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, location.encode()))
        return (await self.interface.answer(Message(coap.CON, coap.DELETE, 2, b"", options), REMOTE)).code


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with asyncio.TaskGroup() as tasks:
        made.commands.run_in(tasks)
        yield made


async def test_a_device_that_registers_while_others_are_let_go_of_stays(world: World) -> None:
    await world.register("first", ("10.0.0.1", 1))
    await world.register("second", ("10.0.0.2", 1))
    world.now += LIFETIME
    world.kafka.gate.clear()
    expiring = asyncio.create_task(world.interface.expire())
    registering = asyncio.create_task(world.register("second", ("10.0.0.2", 1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.kafka.gate.set()
    await asyncio.gather(expiring, registering)
    assert [event.device_id for event in world.kafka.of(DeviceDeregistered)] == ["first"]
    record = world.sessions.record("second")
    assert record is not None
    assert not record.deregistered
    await world.interface.expire()
    world.now += LIFETIME
    await world.interface.expire()
    assert [event.device_id for event in world.kafka.of(DeviceDeregistered)] == ["first", "second"]


@pytest.mark.parametrize("expires", [True, False])
async def test_only_the_registration_that_ended_is_said_to_have_ended(world: World, expires: bool) -> None:
    location = await world.register()
    world.now += LIFETIME if expires else 0
    world.kafka.gate.clear()
    leaving = asyncio.create_task(world.interface.expire() if expires else world.deregister(location))
    await asyncio.sleep(0)
    registering = asyncio.create_task(world.register())
    await asyncio.sleep(0)
    world.kafka.gate.set()
    await asyncio.gather(leaving, registering)
    first, second = world.kafka.of(DeviceUplink)
    (left,) = world.kafka.of(DeviceDeregistered)
    assert left.epoch == first.epoch < second.epoch
    record = world.sessions.record("d")
    assert record is not None
    assert not record.deregistered


def block(number: int, payload: bytes, *, more: bool, path: bytes = b"rd") -> Message:
    value = Block(number, more, 1).to_bytes()
    options = ((coap.URI_PATH, path), (coap.URI_QUERY, b"ep=d"), (coap.BLOCK1, value))
    return Message(coap.CON, coap.POST, number, b"", options, payload)


async def test_a_registration_may_come_in_blocks(world: World) -> None:
    objects = b"</1/0>,</3/0>,</4/0>,</5/0>,</19/0>"
    first = await world.interface.answer(block(0, objects[:32], more=True), REMOTE)
    assert (first.code, first.options) == (coap.CONTINUE, ((coap.BLOCK1, b"\x09"),))
    assert world.sessions.record("d") is None
    second = await world.interface.answer(block(1, objects[32:], more=False), REMOTE)
    assert (second.code, second.options[-1]) == (coap.CREATED, (coap.BLOCK1, b"\x11"))
    record = world.sessions.record("d")
    assert record is not None
    assert record.objects == ("/1/0", "/3/0", "/4/0", "/5/0", "/19/0")


async def test_nothing_but_a_registration_may_come_in_blocks(world: World) -> None:
    await world.register()
    answer = await world.interface.answer(block(0, bytes(32), more=True, path=b"dp"), REMOTE)
    assert answer.code == coap.REQUEST_ENTITY_TOO_LARGE


async def test_the_data_of_a_device_that_has_left_is_nobodys(world: World) -> None:
    location = await world.register()
    send = Message(coap.CON, coap.POST, 3, b"", ((coap.URI_PATH, b"dp"),))
    assert (await world.interface.answer(send, REMOTE)).code == coap.CHANGED
    assert await world.deregister(location) == coap.DELETED
    assert (await world.interface.answer(send, REMOTE)).code == coap.NOT_FOUND
    assert len(world.kafka.of(DeviceUplink)) == 1

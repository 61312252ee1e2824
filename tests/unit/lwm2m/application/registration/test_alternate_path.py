"""Devices whose objects are below an alternate path (OMA TS 1.0.2 §5.3.1, TS 1.1.1 Transport §6.4.1)."""

import asyncio

import pytest
from tests.unit.lwm2m.application.registration.test_replication import Log
from tests.unit.lwm2m.application.registration.world import REMOTE, World
from tests.unit.lwm2m.builders import PACKAGE_URI, STATE, device_requests

from sluice_common.messages.base import to_json
from sluice_common.messages.codec import REGISTRATIONS
from sluice_common.messages.lwm2m_commands import CancelObserve, DeviceRequest, Execute, Observe, Read, Write
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.registration.replication import RegistrationReplication
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message

LISTED = b'</lwm2m/3/0>,</lwm2m/5/0>,</lwm2m/>;rt="oma.lwm2m"'


async def register(world: World, objects: bytes = LISTED) -> str:
    options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, b"ep=d"))
    answer = await world.answer(Message(coap.CON, coap.POST, 1, b"", options, objects), REMOTE)
    assert answer.code == coap.CREATED
    return answer.options[-1][1].decode()


async def update(world: World, location: str, objects: bytes = b"") -> None:
    options = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, location.encode()))
    answer = await world.answer(Message(coap.CON, coap.POST, 2, b"", options, objects), REMOTE)
    assert answer.code == coap.CHANGED


def record_of(world: World) -> Registration:
    record = world.sessions.record("d")
    assert record is not None
    return record


async def asked(world: World, *requests: DeviceRequest) -> list[list[bytes]]:
    """Return the paths of the requests that a device gets."""
    world.sender.sent.clear()
    command = device_requests(*requests, device_id="d", epoch=record_of(world).epoch)
    world.commands.submit(command, lambda: None)
    await asyncio.sleep(0.05)
    return [message.values(coap.URI_PATH) for message in world.sender.sent]


async def test_the_list_is_shown_without_the_alternate_path(world: World) -> None:
    await register(world)
    assert (record_of(world).root, record_of(world).objects) == ("/lwm2m", ("/3/0", "/5/0"))


@pytest.mark.parametrize(
    "request_",
    [
        Read(path=STATE),
        Read(path="/4/0"),
        Observe(path=STATE),
        CancelObserve(path=STATE),
        Write(path="/3/0/14", value="x"),
        Execute(path="/5/0/2"),
        PACKAGE_URI,
    ],
)
async def test_every_request_goes_below_the_alternate_path(world: World, request_: DeviceRequest) -> None:
    await register(world)
    ((root, *_),) = await asked(world, request_)
    assert root == b"lwm2m"


async def test_an_observation_is_renewed_below_the_alternate_path(world: World) -> None:
    location = await register(world)
    await asked(world, Observe(path=STATE))
    world.sender.sent.clear()
    world.commands.renew_observation(world.lifecycle.find(location.encode()))
    await asyncio.sleep(0.05)
    assert [message.values(coap.URI_PATH) for message in world.sender.sent] == [[b"lwm2m", b"5", b"0", b"3"]]


@pytest.mark.parametrize(
    ("objects", "root"),
    [
        (b"", "/lwm2m"),
        (b"</lwm2m/5/0>", "/lwm2m"),
        (LISTED, "/lwm2m"),
        (b"</x>;rt=oma.lwm2m,</x/5/0>", "/x"),
        (b'</>;rt="oma.lwm2m",</5/0>', ""),
        (b"</5/0>", ""),
    ],
)
async def test_an_update_keeps_the_alternate_path_unless_it_says_another(
    world: World, objects: bytes, root: str
) -> None:
    await update(world, await register(world), objects)
    assert record_of(world).root == root
    assert await asked(world, Read(path="/5/0")) == [[*([root[1:].encode()] if root else []), b"5", b"0"]]


async def test_a_new_registration_without_an_alternate_path_has_none(world: World) -> None:
    await register(world)
    await register(world, b"</5/0>")
    assert record_of(world).root == ""


async def test_the_alternate_path_outlasts_a_restart_of_the_gateway(world: World) -> None:
    await register(world)
    kept = [REGISTRATIONS.decode(to_json(record)) for record in world.publisher.of(Registration)]
    restarted = World()
    await RegistrationReplication(0, Log(kept, []), restarted.sessions, restarted.mailbox, restarted.store).restore()
    assert (record_of(restarted).root, record_of(restarted).objects) == ("/lwm2m", ("/3/0", "/5/0"))

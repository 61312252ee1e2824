"""The registration interface: requests in blocks, and requests that are no registration."""

import pytest
from tests.unit.lwm2m.application.registration.world import REMOTE, World

from sluice_common.messages.device_events import DeviceUplink
from sluice_lwm2m.application.ports import UnansweredError
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block
from sluice_lwm2m.domain.coap.message import Message


def block(number: int, payload: bytes, *, more: bool, path: bytes = b"rd") -> Message:
    value = Block(number, more, 1).to_bytes()
    options = ((coap.URI_PATH, path), (coap.URI_QUERY, b"ep=d"), (coap.BLOCK1, value))
    return Message(coap.CON, coap.POST, number, b"", options, payload)


async def test_a_registration_in_blocks_is_taken_when_its_last_block_has_come(world: World) -> None:
    objects = b"</1/0>,</3/0>,</4/0>,</5/0>,</19/0>"
    first = await world.answer(block(0, objects[:32], more=True), REMOTE)
    assert (first.code, first.options) == (coap.CONTINUE, ((coap.BLOCK1, b"\x09"),))
    assert world.sessions.record("d") is None
    second = await world.answer(block(1, objects[32:], more=False), REMOTE)
    assert (second.code, second.options[-1]) == (coap.CREATED, (coap.BLOCK1, b"\x11"))
    record = world.sessions.record("d")
    assert record is not None
    assert record.objects == ("/1/0", "/3/0", "/4/0", "/5/0", "/19/0")


async def test_a_request_in_blocks_that_is_no_registration_is_too_large(world: World) -> None:
    await world.register_over_coap()
    answer = await world.answer(block(0, bytes(32), more=True, path=b"dp"), REMOTE)
    assert answer.code == coap.REQUEST_ENTITY_TOO_LARGE


async def test_a_send_of_a_device_that_has_deregistered_is_not_found_and_not_reported(world: World) -> None:
    location = await world.register_over_coap()
    send = Message(coap.CON, coap.POST, 3, b"", ((coap.URI_PATH, b"dp"),))
    assert (await world.answer(send, REMOTE)).code == coap.CHANGED
    assert await world.deregister(location) == coap.DELETED
    assert (await world.answer(send, REMOTE)).code == coap.NOT_FOUND
    assert len(world.publisher.of(DeviceUplink)) == 1


async def test_an_update_of_an_unknown_location_is_not_found_whatever_its_parameters(world: World) -> None:
    options = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, b"nowhere"), (coap.URI_QUERY, b"lt=soon"))
    answer = await world.answer(Message(coap.CON, coap.POST, 4, b"", options), REMOTE)
    assert answer.code == coap.NOT_FOUND


@pytest.mark.parametrize(
    ("register", "of"), [((b"rd",), "rd/{}"), ((b"/rd",), "/rd/{}"), ((b"rd", b""), "rd {}"), ((b"rd/",), " rd {} ")]
)
async def test_the_path_of_a_registration_may_stand_in_one_option(
    world: World, register: tuple[bytes, ...], of: str
) -> None:
    def message(code: int, mid: int, path: tuple[bytes, ...], *query: bytes) -> Message:
        options = (*((coap.URI_PATH, part) for part in path), *((coap.URI_QUERY, value) for value in query))
        return Message(coap.CON, code, mid, b"", options)

    created = await world.answer(message(coap.POST, 1, register, b"ep=d"), REMOTE)
    assert created.code == coap.CREATED
    path = tuple(part.encode() for part in of.format(created.options[-1][1].decode()).split(" "))
    assert (await world.answer(message(coap.POST, 2, path), REMOTE)).code == coap.CHANGED
    assert (await world.answer(message(coap.DELETE, 3, path), REMOTE)).code == coap.DELETED


@pytest.mark.parametrize("path", [b"rd", b"dp", b"fw", b"nowhere"])
@pytest.mark.parametrize("code", [5, 6, 7, 31])
async def test_a_method_that_nothing_here_has_is_not_allowed(world: World, code: int, path: bytes) -> None:
    """FETCH, PATCH and iPATCH (RFC 8132), and codes without a method."""
    answer = await world.answer(Message(coap.CON, code, 1, b"", ((coap.URI_PATH, path),)), REMOTE)
    assert answer.code == coap.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Message(coap.CON, coap.POST, 1, b"", ((coap.URI_PATH, b"dp"),)), coap.NOT_FOUND),
        (Message(coap.CON, coap.POST, 1, b"", ((coap.URI_PATH, b"rd"), (coap.URI_PATH, b"x"))), coap.NOT_FOUND),
        (Message(coap.CON, coap.DELETE, 1, b"", ((coap.URI_PATH, b"rd"), (coap.URI_PATH, b"x"))), coap.NOT_FOUND),
        (Message(coap.CON, coap.PUT, 1, b"", ((coap.URI_PATH, b"rd"),)), coap.METHOD_NOT_ALLOWED),
        (Message(coap.CON, coap.POST, 1, b"", ((9, b"x"), (coap.URI_PATH, b"rd"))), coap.BAD_OPTION),
        (Message(coap.CON, coap.POST, 1, b"", ((coap.BLOCK1, b"\x09"),), bytes(32)), coap.REQUEST_ENTITY_TOO_LARGE),
    ],
)
def test_what_a_stranger_may_not_ask_is_refused_at_once(world: World, message: Message, code: int) -> None:
    refused = world.interface.check(message, REMOTE)
    assert refused is not None
    assert refused.code == code


async def test_what_a_registered_device_asks_is_not_refused_at_once(world: World) -> None:
    location = await world.register_over_coap()
    for path in ((b"dp",), (b"rd", location.encode()), (b"elsewhere",)):
        options = tuple((coap.URI_PATH, segment) for segment in path)
        assert world.interface.check(Message(coap.CON, coap.POST, 1, b"", options), REMOTE) is None


async def test_a_gateway_that_ends_leaves_new_devices_unanswered_and_serves_those_that_it_has(world: World) -> None:
    location = await world.register_over_coap()
    world.interface.take_no_new()
    for options in (((coap.URI_PATH, b"rd"),), ((coap.URI_PATH, b"rd"), (coap.BLOCK1, b"\x08"))):
        with pytest.raises(UnansweredError):
            await world.answer(Message(coap.CON, coap.POST, 1, b"", options), REMOTE)
    assert await world.update(location) == coap.CHANGED
    assert await world.deregister(location) == coap.DELETED

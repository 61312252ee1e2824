"""Images that are not in memory when they are asked for."""

import asyncio

import pytest
from tests.unit.lwm2m.application.images.server import DATA, DEVICE, REMOTE, SIGNER, TASK, Server
from tests.unit.lwm2m.builders import T0

from sluice_common.tokens import ImageToken
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer

LATER = ImageToken(DEVICE, TASK, "c" * 24, 1, int(T0) + 100)


def request_of(token: ImageToken, block: bytes = b"\x06") -> Message:
    path = ((coap.URI_PATH, b"fw"), (coap.URI_PATH, SIGNER.sign(token).encode()))
    return Message(coap.CON, coap.GET, 7, b"tk", (*path, (coap.BLOCK2, block)))


async def test_an_image_that_is_not_in_memory_is_loaded_once_for_all_who_ask() -> None:
    server = Server()
    server.images.slow[LATER.image_id] = b"later"
    for number in (0, 0, 1, 2, 3, 4, 4):
        server.server.answer(request_of(LATER), Peer(("10.0.0.1", number)))
    assert server.responder.sent == []
    server.images.gate.set()
    await asyncio.sleep(0.01)
    assert [message.payload for message in server.responder.sent] == [b"later"] * 5
    assert server.images.loads == [(LATER.image_id, None), (LATER.image_id, 0)]


async def test_only_the_chunks_that_are_asked_for_are_loaded() -> None:
    server = Server()
    server.images.slow[LATER.image_id] = DATA
    server.images.gate.set()
    server.server.answer(request_of(LATER, Block(3, more=False, exponent=6).to_bytes()), REMOTE)
    await asyncio.sleep(0.01)
    assert [message.payload for message in server.responder.sent] == [DATA[3_072:4_096]]
    assert server.images.loads == [(LATER.image_id, None), (LATER.image_id, 1)]


async def test_an_attempt_closed_while_its_image_is_loaded_is_not_found() -> None:
    server = Server()
    server.images.slow[LATER.image_id] = b"later"
    server.server.answer(request_of(LATER), REMOTE)
    server.change(current_attempt=None)
    server.images.gate.set()
    await asyncio.sleep(0.01)
    assert [message.code for message in server.responder.sent] == [coap.NOT_FOUND]


@pytest.mark.parametrize(("failure", "code"), [(None, coap.NOT_FOUND), (OSError(), coap.SERVICE_UNAVAILABLE)])
async def test_a_request_for_an_image_that_cannot_be_loaded_is_answered_with_an_error(
    failure: Exception | None, code: int
) -> None:
    server = Server()
    server.images.failure = failure
    server.images.gate.set()
    server.server.answer(request_of(LATER), REMOTE)
    await asyncio.sleep(0.01)
    assert [message.code for message in server.responder.sent] == [code]

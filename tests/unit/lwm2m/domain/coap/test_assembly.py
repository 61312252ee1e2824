"""Bodies that come in blocks (RFC 7959 §2.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.blocks import Block
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer

REMOTE = Peer(("10.0.0.1", 5683))
ELSEWHERE = Peer(("10.0.0.2", 5683))


def assembly(max_bodies: int = 10) -> Assembly:
    return Assembly(max_bodies=max_bodies, max_bytes=200, lifetime=60)


def block(number: int, payload: bytes, *, more: bool, exponent: int = 2, path: bytes = b"rd") -> Message:
    options = ((coap.URI_PATH, path), (coap.BLOCK1, Block(number, more, exponent).to_bytes()))
    return Message(coap.CON, coap.POST, number, b"", options, payload)


def error_code(blocks: Assembly, request: Message, now: float = 0.0) -> int:
    with pytest.raises(CoapError) as refused:
        blocks.take(request, REMOTE, now)
    return refused.value.code


@given(st.binary(max_size=200), st.integers(0, 6))
def test_a_body_is_complete_with_its_last_block(body: bytes, exponent: int) -> None:
    blocks, size = assembly(), 16 << exponent
    count = max(1, -(-len(body) // size))
    for number in range(count):
        part, more = body[number * size : (number + 1) * size], number + 1 < count
        whole = blocks.take(block(number, part, more=more, exponent=exponent), REMOTE, 0)
        assert (whole is None) == more
    assert whole is not None
    assert whole.payload == body


def test_a_block_that_does_not_follow_is_incomplete() -> None:
    blocks = assembly()
    assert error_code(blocks, block(1, b"x", more=False)) == coap.REQUEST_ENTITY_INCOMPLETE
    assert blocks.take(block(0, bytes(64), more=True), REMOTE, 0) is None
    assert error_code(blocks, block(2, b"x", more=False)) == coap.REQUEST_ENTITY_INCOMPLETE


def test_bodies_of_different_sources_or_paths_are_kept_apart() -> None:
    blocks = assembly()
    assert blocks.take(block(0, b"a" * 64, more=True), REMOTE, 0) is None
    assert blocks.take(block(0, b"b" * 64, more=True), ELSEWHERE, 0) is None
    assert blocks.take(block(0, b"c" * 64, more=True, path=b"x"), REMOTE, 0) is None
    whole = blocks.take(block(1, b"a", more=False), REMOTE, 0)
    assert whole is not None
    assert whole.payload == b"a" * 65


def test_a_first_block_replaces_an_unfinished_body() -> None:
    blocks = assembly()
    for part in (b"a", b"b"):
        assert blocks.take(block(0, part * 64, more=True), REMOTE, 0) is None
    whole = blocks.take(block(1, b"b", more=False), REMOTE, 0)
    assert whole is not None
    assert whole.payload == b"b" * 65


def test_malformed_blocks_and_long_bodies_are_refused() -> None:
    blocks = assembly()
    assert error_code(blocks, block(0, b"short", more=True)) == coap.BAD_REQUEST
    assert error_code(blocks, block(0, bytes(64), more=True, exponent=7)) == coap.BAD_REQUEST
    for number in range(3):
        assert blocks.take(block(number, bytes(64), more=True), REMOTE, 0) is None
    assert error_code(blocks, block(3, bytes(64), more=True)) == coap.REQUEST_ENTITY_TOO_LARGE


def test_an_unfinished_body_expires() -> None:
    blocks = assembly()
    assert blocks.take(block(0, bytes(64), more=True), REMOTE, 0) is None
    assert error_code(blocks, block(1, b"x", more=False), now=60) == coap.REQUEST_ENTITY_INCOMPLETE


def test_the_oldest_unfinished_body_is_dropped_when_there_are_too_many() -> None:
    blocks = assembly(max_bodies=10)
    remotes: list[Peer] = [Peer(("10.0.0.1", port)) for port in range(20)]
    for remote in remotes:
        assert blocks.take(block(0, bytes(64), more=True), remote, 0) is None
    assert blocks.take(block(1, b"x", more=False), remotes[-1], 0) is not None
    with pytest.raises(CoapError):
        blocks.take(block(1, b"x", more=False), remotes[0], 0)

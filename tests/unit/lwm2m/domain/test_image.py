"""Blocks of an image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.image import make_image, slice_of

CHUNK = 1_024


def served(data: bytes, asked: bytes | None, default: int = 6, chunk_size: int = CHUNK) -> Message | None:
    part = slice_of(make_image(len(data), chunk_size, b"etag"), asked, default)
    if part is None:
        return None
    payload = data[part.chunk * chunk_size : (part.chunk + 1) * chunk_size][part.start : part.end]
    return codec.decode(
        codec.header(coap.ACK, coap.CONTENT, 1) + part.options + (b"\xff" + payload if payload else b"")
    )


@pytest.mark.requirement("R080")
@given(st.binary(max_size=3_000), st.integers(0, 6), st.integers(0, 200), st.integers(1, 3))
def test_a_block_is_its_part_of_the_image(data: bytes, exponent: int, number: int, chunks: int) -> None:
    size = 16 << exponent
    message = served(data, Block(number, more=False, exponent=exponent).to_bytes(), chunk_size=chunks * CHUNK)
    if number and number * size >= len(data):
        assert message is None
        return
    assert message is not None
    assert message.payload == data[number * size : (number + 1) * size]
    more = (number + 1) * size < len(data)
    assert parse_block(message.option(coap.BLOCK2) or b"") == Block(number, more=more, exponent=exponent)
    assert (message.uint(coap.SIZE2) == len(data)) == (number == 0)
    assert message.uint(coap.CONTENT_FORMAT) == 42


@pytest.mark.parametrize("chunk_size", [0, 1_000, 1_536])
def test_chunks_that_cut_blocks_are_refused(chunk_size: int) -> None:
    with pytest.raises(ValueError, match=str(chunk_size)):
        make_image(5_000, chunk_size, b"etag")


def test_all_chunks_together_are_as_long_as_the_image() -> None:
    image = make_image(5_000, 2_048, b"etag")
    assert [image.chunk_length(number) for number in range(4)] == [2_048, 2_048, 904, 0]


@pytest.mark.parametrize("asked", [b"\x07", b"\x17", b"\x00\x00\x00\x06", b"\xff\xff\xf6"])
def test_a_block_beyond_the_end_or_of_the_reserved_size_is_none(asked: bytes) -> None:
    assert served(b"x" * 2_000, asked) is None


@given(st.binary(max_size=5))
def test_any_option_is_a_block_or_none(asked: bytes) -> None:
    message = served(b"x" * 2_000, asked)
    assert message is None or len(message.payload) <= 1_024

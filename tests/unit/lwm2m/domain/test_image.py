"""Blocks of an image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain import coap
from sluice_lwm2m.domain.blocks import Block, parse_block
from sluice_lwm2m.domain.coap import Message
from sluice_lwm2m.domain.image import block_of, make_image


def served(data: bytes, asked: bytes | None, default: int = 6) -> Message | None:
    block = block_of(make_image(data), asked, default)
    if block is None:
        return None
    options, payload = block
    return coap.decode(coap.header(coap.ACK, coap.CONTENT, 1) + options + (b"\xff" + payload if payload else b""))


@pytest.mark.requirement("R080")
@given(st.binary(max_size=3_000), st.integers(0, 6), st.integers(0, 200))
def test_a_block_is_its_part_of_the_image(data: bytes, exponent: int, number: int) -> None:
    size = 16 << exponent
    message = served(data, Block(number, more=False, exponent=exponent).to_bytes())
    if number and number * size >= len(data):
        assert message is None
        return
    assert message is not None
    assert message.payload == data[number * size : (number + 1) * size]
    more = (number + 1) * size < len(data)
    assert parse_block(message.option(coap.BLOCK2) or b"") == Block(number, more=more, exponent=exponent)
    assert (message.uint(coap.SIZE2) == len(data)) == (number == 0)
    assert message.uint(coap.CONTENT_FORMAT) == 42


def test_images_with_other_bytes_have_other_names() -> None:
    first, second = served(b"one", None), served(b"two", None)
    assert first is not None
    assert second is not None
    assert first.option(coap.ETAG) != second.option(coap.ETAG)


@pytest.mark.parametrize("asked", [b"\x07", b"\x17", b"\x00\x00\x00\x06", b"\xff\xff\xf6"])
def test_a_block_that_cannot_be_is_none(asked: bytes) -> None:
    assert served(b"x" * 2_000, asked) is None


@given(st.binary(max_size=5))
def test_any_option_is_a_block_or_none(asked: bytes) -> None:
    message = served(b"x" * 2_000, asked)
    assert message is None or len(message.payload) <= 1_024

"""Block options, against the examples of RFC 7959 §2.2 and §2.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap.blocks import Block, exponent_of, parse_block


@pytest.mark.parametrize(
    ("value", "block"),
    [
        (b"", Block(0, more=False, exponent=0)),
        (b"\x0e", Block(0, more=True, exponent=6)),
        (b"\x33", Block(3, more=False, exponent=3)),
        (b"\xff\xff\xf6", Block(0xFFFFF, more=False, exponent=6)),
    ],
)
def test_a_block_option_is_number_more_and_size(value: bytes, block: Block) -> None:
    assert parse_block(value) == block
    assert block.to_bytes() == value


@pytest.mark.parametrize("value", [b"\x07", b"\x0f", b"\x00\x00\x00\x06"])
def test_the_reserved_size_and_longer_options_are_refused(value: bytes) -> None:
    assert parse_block(value) is None


@given(st.integers(0, 2**20 - 1), st.booleans(), st.integers(0, 6))
def test_a_block_option_survives_encoding_and_parsing(number: int, more: bool, exponent: int) -> None:
    block = Block(number, more, exponent)
    assert parse_block(block.to_bytes()) == block
    assert block.start == number * block.size


@pytest.mark.parametrize(("size", "exponent"), [(16, 0), (31, 0), (32, 1), (512, 5), (1023, 5), (1024, 6)])
def test_a_size_becomes_the_largest_block_that_fits(size: int, exponent: int) -> None:
    assert exponent_of(size) == exponent

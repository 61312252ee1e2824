"""CBOR, against examples of RFC 8949 Appendix A and against another implementation."""

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.encoding.cbor import decode_cbor
from sluice_lwm2m.domain.encoding.errors import PayloadError

scalars = (
    st.integers(-(2**64), 2**64 - 1)
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)
packs = st.lists(st.dictionaries(st.integers(-10, 30) | st.text(max_size=3), scalars, max_size=6), max_size=6)


@given(packs)
def test_what_cbor2_encodes_is_decoded(pack: object) -> None:
    assert decode_cbor(cbor2.dumps(pack)) == pack


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", 0),
        ("1818", 24),
        ("1bffffffffffffffff", 2**64 - 1),
        ("3903e7", -1000),
        ("f93c00", 1.0),
        ("fa47c35000", 100_000.0),
        ("fbc010666666666666", -4.1),
        ("f4", False),
        ("f6", None),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "ü"),
        ("9f0102ff", [1, 2]),
        ("bf6161019fff", PayloadError),
        ("bf616101ff", {"a": 1}),
        ("a0", {}),
    ],
)
def test_the_examples_of_the_specification_are_read(data: str, value: object) -> None:
    if value is PayloadError:
        with pytest.raises(PayloadError):
            decode_cbor(bytes.fromhex(data))
    else:
        assert decode_cbor(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        "",  # nothing
        "9affffffff",  # an array of four billion items
        "bbffffffffffffffff",  # a map of more than there is memory
        "5bffffffffffffffff",  # a string of as many bytes
        "81818101",  # nested deeper than SenML
        "c11a514b67b0",  # a tag: a date
        "d8236128",  # a tag: a regular expression
        "d81c81d81d00",  # tags: a list that holds itself
        "5f42010243030405ff",  # a string in chunks
        "a18001",  # a list as a key
        "61ff",  # not UTF-8
        "0000",  # two items
        "1c",  # reserved length
        "f7",  # undefined
        "bf01ff",  # a key without a value
        "9f",  # no break
    ],
)
def test_cbor_that_senml_does_not_use_is_an_error(data: str) -> None:
    with pytest.raises(PayloadError):
        decode_cbor(bytes.fromhex(data))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_cbor_item_or_an_error(data: bytes) -> None:
    try:
        value = decode_cbor(data)
    except PayloadError:
        return
    assert value is None or isinstance(value, int | float | str | bytes | list | dict)


def test_infinity_is_decoded() -> None:
    value = decode_cbor(bytes.fromhex("f97c00"))
    assert isinstance(value, float)
    assert math.isinf(value)

"""Payloads by content format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.messages.base import to_json
from sluice_lwm2m.domain.encoding.content import MAX_PAYLOAD_BYTES, decode_content
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import Asked

FORMATS = (None, 0, 42, 50, 60, 110, 112, 11542, 11543, 1541, 1542, 1543, 1544)


@pytest.mark.parametrize(
    ("content_format", "payload"),
    [
        (None, b"2"),
        (0, b"2"),
        (1541, b"2"),
        (11542, b"\xc1\x03\x02"),
        (1542, b"\xc1\x03\x02"),
        (110, b'[{"bn":"/5/0/3","v":2}]'),
        (112, b"\x81\xa2\x21\x66/5/0/3\x02\x02"),
        (11543, b'{"bn":"/5/0/3","e":[{"v":2}]}'),
        (1543, b'{"bn":"/5/0/3","e":[{"v":2}]}'),
        (50, b'{"bn":"/5/0/3","e":[{"v":2}]}'),
        (50, b'[{"bn":"/5/0/3","vs":"2"}]'),
        (60, b"\x02"),
        (0, b"\xef\xbb\xbf2\r\n\0\0"),
        (None, b"\xc1\x03\x02"),  # TLV, though it does not say so
        (None, b"\x03\x00\xc1\x03\x02"),
    ],
)
def test_the_firmware_state_is_the_same_in_every_format(content_format: int | None, payload: bytes) -> None:
    assert decode_content(Asked((5, 0, 3)), content_format, payload) == {"/5/0/3": 2}


@pytest.mark.parametrize("content_format", [42, 1544])
def test_opaque_bytes_are_given_as_hex(content_format: int) -> None:
    assert decode_content(Asked((5, 0, 0)), content_format, b"\xca\xfe") == {"/5/0/0": "hex:cafe"}


@pytest.mark.parametrize(
    ("path", "payload", "value"),
    [((3, 0, 3), b"1.0.0", "1.0.0"), ((5, 0, 3), b"2", 2), ((5, 0, 3), b"\0", 0), ((19, 0, 0), b"1", "hex:31")],
)
def test_opaque_bytes_of_a_resource_that_is_none_are_text_or_a_number(
    path: tuple[int, ...], payload: bytes, value: object
) -> None:
    assert list(decode_content(Asked(path), 42, payload).values()) == [value]


@pytest.mark.parametrize("content_format", [None, 0, 42])
def test_a_single_value_for_an_object_instance_is_an_error(content_format: int | None) -> None:
    with pytest.raises(PayloadError):
        decode_content(Asked((4, 0)), content_format, b"-97")


def test_unknown_formats_and_long_payloads_are_errors() -> None:
    with pytest.raises(PayloadError, match="unknown content format 11544"):
        decode_content(Asked((4, 0)), 11_544, b"")
    with pytest.raises(PayloadError, match="too long"):
        decode_content(Asked((4, 0)), 11542, b"x" * (MAX_PAYLOAD_BYTES + 1))


def test_more_values_than_any_object_has_are_an_error() -> None:
    many = b"".join(b"\xe0" + number.to_bytes(2) for number in range(1_025))
    with pytest.raises(PayloadError, match="too many"):
        decode_content(Asked((19, 0)), 11542, many)


@given(st.sampled_from(FORMATS), st.sampled_from([(4,), (4, 0), (4, 0, 2), (19, 0, 0)]), st.binary(max_size=80))
def test_any_payload_is_values_for_json_or_an_error(
    content_format: int | None, path: tuple[int, ...], payload: bytes
) -> None:
    try:
        values = decode_content(Asked(path), content_format, payload)
    except PayloadError:
        return
    assert to_json(values)

"""The message format, against examples of RFC 7252 and against another implementation."""

import aiocoap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.codec import MessageFormatError, NotCoapError, decode, encode
from sluice_lwm2m.domain.coap.message import Message

options = st.lists(st.tuples(st.integers(0, 65_535), st.binary(max_size=300)), max_size=8).map(
    lambda pairs: tuple(sorted(pairs, key=lambda pair: pair[0]))
)
messages = st.builds(
    Message,
    kind=st.integers(0, 3),
    code=st.integers(1, 255),
    mid=st.integers(0, 65_535),
    token=st.binary(max_size=8),
    options=options,
    payload=st.binary(max_size=100),
)


def test_the_example_of_rfc_7252_figure_16_is_read() -> None:
    message = decode(bytes.fromhex("44017d34") + b"\x71\x72\x73\x74" + b"\xbbtemperature")
    assert message == Message(coap.CON, coap.GET, 0x7D34, b"qrst", ((coap.URI_PATH, b"temperature"),))
    assert message.is_request
    assert not message.is_response


@given(messages)
def test_a_message_survives_encoding_and_decoding(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_one_of_two_errors(data: bytes) -> None:
    try:
        message = decode(data)
    except (NotCoapError, MessageFormatError):
        return
    assert len(message.token) <= 8


@given(st.binary(min_size=4, max_size=64).map(lambda data: bytes((0x40 | data[0] & 0x38, *data[1:]))))
def test_a_message_that_aiocoap_accepts_too_is_decoded_alike(data: bytes) -> None:
    try:
        ours = decode(data)
        theirs = aiocoap.Message.decode(data)
    except (NotCoapError, MessageFormatError, aiocoap.error.Error, ValueError, IndexError, TypeError):
        return
    assert (ours.mid, ours.token, ours.payload) == (theirs.mid, theirs.token, theirs.payload)
    assert len(ours.options) == len(list(theirs.opt.option_list()))


@pytest.mark.parametrize("data", [b"", b"\x40", b"\x40\x01\x00", b"\x00\x01\x00\x01", b"\xc0\x01\x00\x01"])
def test_bytes_without_a_header_of_coap_version_1_are_not_coap(data: bytes) -> None:
    with pytest.raises(NotCoapError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x49\x01\x00\x07123456789",  # token length 9
        b"\x44\x01\x00\x07ab",  # token cut off
        b"\x40\x00\x00\x07\x00",  # an Empty message with content
        b"\x41\x00\x00\x07a",  # an Empty message with a token
        b"\x40\x01\x00\x07\xff",  # a payload marker without payload
        b"\x40\x01\x00\x07\xb5fw",  # option value cut off
        b"\x40\x01\x00\x07\xd0",  # extended delta cut off
        b"\x40\x01\x00\x07\xe0\x01",  # extended delta cut off
        b"\x40\x01\x00\x07\xf1a",  # reserved delta
        b"\x40\x01\x00\x07\x1fa",  # reserved length
    ],
)
def test_the_error_of_a_malformed_message_has_its_type_and_message_id(data: bytes) -> None:
    with pytest.raises(MessageFormatError) as caught:
        decode(data)
    assert (caught.value.kind, caught.value.mid) == (coap.CON, 7)

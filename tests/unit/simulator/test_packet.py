"""The codec against RFC 7252 and against aiocoap's."""

import aiocoap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator import packet as coap
from sluice_simulator.packet import PacketError

_OPTIONS = st.lists(st.tuples(st.integers(1, 70_000 - 5_000), st.binary(max_size=300)), max_size=6).map(
    lambda options: sorted(options, key=lambda option: option[0])
)


@given(
    kind=st.integers(0, 3),
    code=st.integers(1, 255),
    mid=st.integers(0, 0xFFFF),
    token=st.binary(max_size=8),
    options=_OPTIONS,
    payload=st.binary(max_size=64),
)
def test_what_is_encoded_is_decoded_again(
    *, kind: int, code: int, mid: int, token: bytes, options: list[coap.Option], payload: bytes
) -> None:
    data = coap.encode(kind, code, mid, token, options=coap.encode_options(options), payload=payload)
    packet = coap.decode(data)
    assert (packet.kind, packet.code, packet.mid, packet.token) == (kind, code, mid, token)
    assert (packet.options, packet.payload) == (options, payload)


@given(
    path=st.lists(st.text(min_size=1, max_size=20), max_size=3),
    query=st.lists(st.text(min_size=1, max_size=400), max_size=2),
    payload=st.binary(max_size=64),
    number=st.integers(0, 2**20 - 1),
)
def test_aiocoap_reads_the_same_as_was_written(path: list[str], query: list[str], payload: bytes, number: int) -> None:
    options = coap.encode_options(
        [(coap.URI_PATH, segment.encode()) for segment in path]
        + [(coap.URI_QUERY, argument.encode()) for argument in query]
        + [(coap.BLOCK2, coap.uint_bytes(number << 4 | 6))]
    )
    data = coap.encode(coap.CON, coap.GET, 77, b"tok", options=options, payload=payload)
    message = aiocoap.Message.decode(data)
    assert message.mtype is aiocoap.CON
    assert message.code is aiocoap.GET
    assert (message.mid, message.token, message.payload) == (77, b"tok", payload)
    assert message.opt.uri_path == tuple(path)
    assert message.opt.uri_query == tuple(query)
    assert message.opt.block2 == (number, False, 6)


@given(
    observe=st.integers(0, 2**24 - 1),
    location=st.lists(st.text(min_size=1, max_size=300), max_size=2),
    etag=st.binary(min_size=1, max_size=8),
    payload=st.binary(max_size=1024),
)
def test_what_aiocoap_writes_is_read(observe: int, location: list[str], etag: bytes, payload: bytes) -> None:
    message = aiocoap.Message(code=aiocoap.CONTENT, payload=payload, observe=observe, etag=etag, location_path=location)
    message.mtype, message.mid, message.token = aiocoap.NON, 513, b"\x01"
    packet = coap.decode(message.encode())
    assert (packet.kind, packet.code, packet.mid) == (coap.NON, coap.CONTENT, 513)
    assert packet.uint(coap.OBSERVE) == observe
    assert packet.option(coap.ETAG) == etag
    assert packet.texts(coap.LOCATION_PATH) == location
    assert packet.payload == payload


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_a_packet_error(data: bytes) -> None:
    try:
        packet = coap.decode(data)
    except PacketError:
        return
    assert packet.kind in {coap.CON, coap.NON, coap.ACK, coap.RST}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "header"),
        (b"\x40\x01\x00", "header"),
        (b"\x00\x01\x00\x01", "header"),  # version 0
        (b"\x49\x01\x00\x01123456789", "token"),
        (b"\x44\x01\x00\x01123", "token"),
        (b"\x41\x00\x00\x01t", "empty message"),
        (b"\x40\x01\x00\x01\xff", "marker"),
        (b"\x40\x01\x00\x01\x05abc", "longer"),
        (b"\x40\x01\x00\x01\xf0", "reserved"),
        (b"\x40\x01\x00\x01\x0f", "reserved"),
        (b"\x40\x01\x00\x01\xd0", "truncated"),
        (b"\x40\x01\x00\x01\xe0\x01", "truncated"),
    ],
)
def test_a_message_format_error_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(PacketError, match=complaint):
        coap.decode(data)


def test_a_path_joins_its_segments() -> None:
    data = coap.encode(coap.CON, coap.GET, 1, b"", options=coap.encode_options(coap.path_options("/4/0/8")))
    assert coap.decode(data).path == "/4/0/8"


def test_zero_takes_no_byte() -> None:
    assert coap.uint_bytes(0) == b""
    assert coap.uint_bytes(0x1234) == b"\x12\x34"

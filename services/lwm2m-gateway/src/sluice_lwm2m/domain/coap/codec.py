"""The CoAP message format (RFC 7252 §3): bytes to messages and back.

Pure and strict: what this accepts is well formed. It leaves out what messages mean, retransmission and duplicates.
A codec of our own (ADR 0009) because one message of the library at hand costs ten times as much, and because it must
never raise anything but its own errors on bytes from the network.
"""

from sluice_lwm2m.domain.coap.message import EMPTY, Message

_HEADER_BYTES = 4
_MAX_TOKEN_BYTES = 8
_MAX_OPTION = 65_535
_MARKER = 0xFF
_ONE_BYTE, _TWO_BYTES, _RESERVED = 13, 14, 15
_TWO_BYTES_BASE = 269


class NotCoapError(ValueError):
    """Too short or another version: silently ignored (RFC 7252 §3)."""


class MessageFormatError(ValueError):
    """The header is CoAP's, the rest is not: a Confirmable message is rejected with Reset (RFC 7252 §4.2).

    Attributes:
        kind: Message type.
        mid: Message ID.
    """

    def __init__(self, reason: str, kind: int, mid: int) -> None:
        super().__init__(reason)
        self.kind = kind
        self.mid = mid


def decode(data: bytes) -> Message:
    """Return the message in a datagram.

    Raises:
        NotCoapError: Nothing to answer.
        MessageFormatError: To be rejected.
    """
    if len(data) < _HEADER_BYTES or data[0] >> 6 != 1:
        raise NotCoapError
    kind, token_length, code, mid = data[0] >> 4 & 3, data[0] & 15, data[1], data[2] << 8 | data[3]
    start = _HEADER_BYTES + token_length
    if token_length > _MAX_TOKEN_BYTES or start > len(data) or (code == EMPTY and len(data) > _HEADER_BYTES):
        raise MessageFormatError("wrong token length or an Empty message with content", kind, mid)
    try:
        options, payload = _decode_options(data, start)
    except (IndexError, ValueError) as error:
        raise MessageFormatError("malformed options", kind, mid) from error
    return Message(kind, code, mid, data[_HEADER_BYTES:start], options, payload)


def _decode_options(data: bytes, at: int) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    """Return options and payload; IndexError or ValueError if they are cut off or reserved (RFC 7252 §3.1)."""
    options: list[tuple[int, bytes]] = []
    number, end = 0, len(data)
    while at < end:
        head = data[at]
        at += 1
        if head == _MARKER:
            if at == end:
                raise ValueError("a payload marker without payload")
            return tuple(options), data[at:]
        delta, length = head >> 4, head & 15
        if delta >= _ONE_BYTE:
            delta, at = _extended(data, at, delta)
        if length >= _ONE_BYTE:
            length, at = _extended(data, at, length)
        number += delta
        stop = at + length
        if stop > end or number > _MAX_OPTION:
            raise ValueError("an option longer than the message, or beyond all numbers")
        options.append((number, data[at:stop]))
        at = stop
    return tuple(options), b""


def _extended(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    if nibble == _ONE_BYTE:
        return data[at] + _ONE_BYTE, at + 1
    if nibble == _TWO_BYTES:
        return (data[at] << 8 | data[at + 1]) + _TWO_BYTES_BASE, at + 2
    raise ValueError("a reserved nibble")


def encode(message: Message) -> bytes:
    """Return the datagram of a message whose options are in ascending order."""
    tail = b"\xff" + message.payload if message.payload else b""
    return header(message.kind, message.code, message.mid, message.token) + encode_options(message.options) + tail


def header(kind: int, code: int, mid: int, token: bytes = b"") -> bytes:
    """Return header and token."""
    return bytes((0x40 | kind << 4 | len(token), code, mid >> 8, mid & 255)) + token


def encode_options(options: tuple[tuple[int, bytes], ...]) -> bytes:
    """Return options, given in ascending order, without payload marker."""
    out = bytearray()
    last = 0
    for number, value in options:
        delta, delta_more = _nibble(number - last)
        length, length_more = _nibble(len(value))
        out.append(delta << 4 | length)
        out += delta_more + length_more + value
        last = number
    return bytes(out)


def _nibble(value: int) -> tuple[int, bytes]:
    if value < _ONE_BYTE:
        return value, b""
    if value < _TWO_BYTES_BASE:
        return _ONE_BYTE, bytes((value - _ONE_BYTE,))
    return _TWO_BYTES, (value - _TWO_BYTES_BASE).to_bytes(2)

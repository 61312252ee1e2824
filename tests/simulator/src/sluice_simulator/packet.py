"""CoAP messages as bytes and back (RFC 7252 §3), the one codec of the simulator.

An own codec rather than aiocoap's because a device's cost is mostly this (figures in the README). Tests hold it
against aiocoap's codec. It knows no exchanges and no sockets: see `coap` and `link`.
"""

from collections.abc import Iterable
from typing import Final

CON: Final = 0
NON: Final = 1
ACK: Final = 2
RST: Final = 3

EMPTY: Final = 0x00
GET: Final = 0x01
POST: Final = 0x02
PUT: Final = 0x03
DELETE: Final = 0x04
CREATED: Final = 0x41
DELETED: Final = 0x42
CHANGED: Final = 0x44
CONTENT: Final = 0x45
BAD_REQUEST: Final = 0x80
NOT_FOUND: Final = 0x84
METHOD_NOT_ALLOWED: Final = 0x85
NOT_ACCEPTABLE: Final = 0x86
REQUEST_INCOMPLETE: Final = 0x88
UNSUPPORTED_FORMAT: Final = 0x8F
SERVICE_UNAVAILABLE: Final = 0xA3

URI_HOST: Final = 3
ETAG: Final = 4
OBSERVE: Final = 6
URI_PORT: Final = 7
LOCATION_PATH: Final = 8
URI_PATH: Final = 11
CONTENT_FORMAT: Final = 12
MAX_AGE: Final = 14
URI_QUERY: Final = 15
ACCEPT: Final = 17
BLOCK2: Final = 23
SIZE2: Final = 28

_VERSION: Final = 1
_PAYLOAD_MARKER: Final = 0xFF
_ONE_BYTE: Final = 13
_TWO_BYTES: Final = 14
_TWO_BYTES_BASE: Final = 269
_HEADER_BYTES: Final = 4
_MAX_TOKEN_BYTES: Final = 8
_FIRST_RESPONSE_CODE: Final = 0x40

Option = tuple[int, bytes]


class PacketError(ValueError):
    """The datagram is no CoAP message (RFC 7252 §3: a message format error)."""


class Packet:
    """One CoAP message.

    Attributes:
        kind: `CON`, `NON`, `ACK` or `RST`.
        code: Request method or response code, class in the upper three bits.
        mid: Message ID.
        token: 0 to 8 bytes.
        options: Number and value in the order of their numbers.
        payload: Empty where there is none.
    """

    __slots__ = ("code", "kind", "mid", "options", "payload", "token")

    def __init__(self, kind: int, code: int, mid: int, token: bytes, *, options: list[Option], payload: bytes) -> None:
        self.kind = kind
        self.code = code
        self.mid = mid
        self.token = token
        self.options = options
        self.payload = payload

    def option(self, number: int) -> bytes | None:
        """The first value of an option, or None."""
        for found, value in self.options:
            if found == number:
                return value
        return None

    def uint(self, number: int) -> int | None:
        """The first value of an unsigned option (RFC 7252 §3.2), or None."""
        value = self.option(number)
        return None if value is None else int.from_bytes(value, "big")

    def texts(self, number: int) -> list[str]:
        """All values of a repeatable string option; bytes that are no UTF-8 are replaced."""
        return [value.decode("utf-8", "replace") for found, value in self.options if found == number]

    @property
    def path(self) -> str:
        """Uri-Path as `/4/0/8`."""
        return "/" + "/".join(self.texts(URI_PATH))

    @property
    def is_request(self) -> bool:
        """Return whether the code is a method (0.01 to 0.31)."""
        return EMPTY < self.code < _FIRST_RESPONSE_CODE

    def __repr__(self) -> str:
        return (
            f"Packet({('CON', 'NON', 'ACK', 'RST')[self.kind]} {self.code >> 5}.{self.code & 31:02d} "
            f"mid={self.mid} token={self.token.hex()} options={self.options} +{len(self.payload)}B)"
        )


def uint_bytes(value: int) -> bytes:
    """An unsigned option value in the fewest bytes (RFC 7252 §3.2): nothing for 0."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def path_options(path: str) -> list[Option]:
    """Uri-Path options of a path like `/rd/17`."""
    return [(URI_PATH, segment.encode()) for segment in path.strip("/").split("/") if segment]


def encode_options(options: Iterable[Option], after: int = 0) -> bytes:
    """Options as bytes (RFC 7252 §3.1); they must come in the order of their numbers.

    Args:
        options: Number and value.
        after: The number of the option that the bytes will follow.
    """
    parts = []
    for number, value in options:
        delta, length = number - after, len(value)
        after = number
        if delta < _ONE_BYTE and length < _ONE_BYTE:
            parts.append(bytes((delta << 4 | length,)))
        else:
            delta_nibble, delta_bytes = _extended(delta)
            length_nibble, length_bytes = _extended(length)
            parts.append(bytes((delta_nibble << 4 | length_nibble,)) + delta_bytes + length_bytes)
        parts.append(value)
    return b"".join(parts)


def encode(kind: int, code: int, mid: int, token: bytes, *, options: bytes = b"", payload: bytes = b"") -> bytes:
    """A message as bytes, from options that `encode_options` made."""
    head = bytes((_VERSION << 6 | kind << 4 | len(token), code, mid >> 8, mid & 0xFF))
    if payload:
        return b"".join((head, token, options, b"\xff", payload))
    return head + token + options


def decode(data: bytes) -> Packet:
    """The message in a datagram.

    Raises:
        PacketError: The datagram breaks RFC 7252 §3.
    """
    size = len(data)
    if size < _HEADER_BYTES or data[0] >> 6 != _VERSION:
        raise PacketError("no CoAP header")
    position = _HEADER_BYTES + (data[0] & 15)
    if position > _HEADER_BYTES + _MAX_TOKEN_BYTES or position > size:
        raise PacketError("token length out of range")
    if data[1] == EMPTY and size > _HEADER_BYTES:
        raise PacketError("empty message with content (RFC 7252 §4.1)")
    options, payload = _decode_options(data, position)
    kind, mid = data[0] >> 4 & 3, data[2] << 8 | data[3]
    return Packet(kind, data[1], mid, data[_HEADER_BYTES:position], options=options, payload=payload)


def _decode_options(data: bytes, position: int) -> tuple[list[Option], bytes]:
    size = len(data)
    options: list[Option] = []
    number = 0
    while position < size:
        first = data[position]
        position += 1
        if first == _PAYLOAD_MARKER:
            if position == size:
                raise PacketError("payload marker without payload")
            return options, data[position:]
        delta, length = first >> 4, first & 15
        if delta >= _ONE_BYTE:
            delta, position = _read_extended(data, position, delta)
        if length >= _ONE_BYTE:
            length, position = _read_extended(data, position, length)
        number += delta
        end = position + length
        if end > size:
            raise PacketError("option longer than the message")
        options.append((number, data[position:end]))
        position = end
    return options, b""


def _extended(value: int) -> tuple[int, bytes]:
    if value < _ONE_BYTE:
        return value, b""
    if value < _TWO_BYTES_BASE:
        return _ONE_BYTE, bytes((value - _ONE_BYTE,))
    return _TWO_BYTES, (value - _TWO_BYTES_BASE).to_bytes(2, "big")


def _read_extended(data: bytes, position: int, nibble: int) -> tuple[int, int]:
    if nibble == _ONE_BYTE and position < len(data):
        return data[position] + _ONE_BYTE, position + 1
    if nibble == _TWO_BYTES and position + 1 < len(data):
        return (data[position] << 8 | data[position + 1]) + _TWO_BYTES_BASE, position + 2
    raise PacketError("reserved or truncated option header")

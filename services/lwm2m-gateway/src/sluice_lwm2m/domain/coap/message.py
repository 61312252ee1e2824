"""CoAP messages: types, codes and options by number (RFC 7252 §3, §12; RFC 7641, RFC 7959)."""

from functools import lru_cache

import msgspec

CON, NON, ACK, RST = range(4)
"""Message types (RFC 7252 §3)."""

EMPTY = 0
GET, POST, PUT, DELETE = 1, 2, 3, 4
CREATED, DELETED, VALID, CHANGED, CONTENT = (2 << 5 | detail for detail in range(1, 6))
CONTINUE = 2 << 5 | 31
BAD_REQUEST, UNAUTHORIZED, BAD_OPTION, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED = (4 << 5 | d for d in range(6))
NOT_ACCEPTABLE = 4 << 5 | 6
REQUEST_ENTITY_INCOMPLETE = 4 << 5 | 8
PRECONDITION_FAILED = 4 << 5 | 12
REQUEST_ENTITY_TOO_LARGE = 4 << 5 | 13
UNSUPPORTED_CONTENT_FORMAT = 4 << 5 | 15
TOO_MANY_REQUESTS = 4 << 5 | 29
INTERNAL_SERVER_ERROR = 5 << 5
SERVICE_UNAVAILABLE = 5 << 5 | 3
PROXYING_NOT_SUPPORTED = 5 << 5 | 5

URI_HOST = 3
ETAG = 4
OBSERVE = 6
URI_PORT = 7
LOCATION_PATH = 8
URI_PATH = 11
CONTENT_FORMAT = 12
MAX_AGE = 14
URI_QUERY = 15
ACCEPT = 17
BLOCK2 = 23
BLOCK1 = 27
SIZE2 = 28
PROXY_URI = 35
PROXY_SCHEME = 39

KNOWN_CRITICAL = frozenset((URI_HOST, URI_PORT, URI_PATH, URI_QUERY, ACCEPT, BLOCK2, BLOCK1))
"""Critical options that a message may carry; others end it (RFC 7252 §5.4.1)."""
_MAX_BYTES = {
    ETAG: 8,
    OBSERVE: 3,
    URI_PORT: 2,
    CONTENT_FORMAT: 2,
    MAX_AGE: 4,
    ACCEPT: 2,
    BLOCK2: 3,
    BLOCK1: 3,
    SIZE2: 4,
}
"""Longest values of opaque options and integers (RFC 7252 §5.10, RFC 7641 §2, RFC 7959 §2.1, §4).

Texts are as long as the datagram lets them be: clients put whole paths and queries into one option.
"""
_SUCCESS_CLASS = 2
_RESPONSE_CLASSES = frozenset((_SUCCESS_CLASS, 4, 5))
_FIRST_RESPONSE_CLASS = 32


class Message(msgspec.Struct, frozen=True):
    """One CoAP message.

    Attributes:
        kind: Message type: CON, NON, ACK or RST.
        code: Method or response code, class in the upper three bits.
        mid: Message ID.
        token: Up to 8 bytes.
        options: (number, value) in ascending order of numbers.
        payload: Body.
    """

    kind: int
    code: int
    mid: int
    token: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""

    def option(self, number: int) -> bytes | None:
        """Return the first value of an option."""
        for candidate, value in self.options:
            if candidate == number:
                return value
        return None

    def uint(self, number: int) -> int | None:
        """Return an option of format uint (RFC 7252 §3.2); one that is too long counts as absent (§5.4.3)."""
        value = self.option(number)
        return None if value is None or _is_too_long(number, value) else int.from_bytes(value)

    def values(self, number: int) -> list[bytes]:
        """Return all values of a repeatable option."""
        return [value for candidate, value in self.options if candidate == number]

    @property
    def has_bad_critical_option(self) -> bool:
        """Return whether a critical option is unknown, or too long, which is as bad (RFC 7252 §5.4.1, §5.4.3)."""
        for number, value in self.options:
            if number & 1 and (number not in KNOWN_CRITICAL or _is_too_long(number, value)):
                return True
        return False

    @property
    def is_request(self) -> bool:
        """Return whether the code is a method."""
        return 0 < self.code < _FIRST_RESPONSE_CLASS

    @property
    def is_response(self) -> bool:
        """Return whether the code is a response code; classes 1, 3, 6 and 7 are reserved."""
        return self.code >> 5 in _RESPONSE_CLASSES

    @property
    def is_success(self) -> bool:
        """Return whether the code is 2.xx."""
        return self.code >> 5 == _SUCCESS_CLASS


def _is_too_long(number: int, value: bytes) -> bool:
    return len(value) > _MAX_BYTES.get(number, len(value))


def path_segments(values: list[bytes]) -> list[bytes]:
    """Return the segments of a path by its Uri-Path options.

    Some clients put the whole path into one option, which RFC 7252 §6.4 has as one segment with slashes in it. No
    resource of the platform has such a segment, so that it can be split; empty segments are passed over.
    """
    return [segment for value in values for segment in value.split(b"/") if segment]


def uint_bytes(value: int) -> bytes:
    """Return the shortest representation of an option of format uint (RFC 7252 §3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8)


@lru_cache(maxsize=256)
def code_text(code: int) -> str:
    """Return a code as people write it, for example `2.05`."""
    return f"{code >> 5}.{code & 31:02d}"

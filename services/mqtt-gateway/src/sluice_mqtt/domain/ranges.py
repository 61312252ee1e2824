"""Byte ranges of HTTP (RFC 9110 §14): which bytes of an image a request asks for.

Written by hand because some products count bytes from 1 (ADR 0020). Leaves out several ranges in one request: a server
may ignore those (§14.2), and gives the whole image.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 18
"""A position of more digits lies beyond every image, wherever it is; RFC 9110 sets no limit (§14.1.1)."""


class UnsatisfiableError(ValueError):
    """None of the bytes exists: 416 (RFC 9110 §15.5.17)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes `first` up to, not including, `end`; `shift` is what the client adds to positions when it counts."""

    first: int
    end: int
    shift: int = 0

    def content_range(self, size: int) -> str:
        """Return the value of `Content-Range`, in the client's counting."""
        return f"bytes {self.first + self.shift}-{self.end - 1 + self.shift}/{size}"


def requested(header: str | None, size: int, *, is_one_based: bool = False) -> Slice | None:
    """Return the range that a `Range` header asks for; None for the whole.

    Args:
        header: Its value; what is malformed or of an unknown unit counts as absent (RFC 9110 §14.2).
        size: Bytes of the image.
        is_one_based: The client counts bytes from 1, as Huawei's LiteOS does (D13): its `bytes=1-1024` are the first
            1,024. A range from 0 is taken as it is.

    Raises:
        UnsatisfiableError: The range lies beyond the end.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return _last(_position(match[2]), size)
    first = _position(match[1])
    last = _position(match[2]) if match[2] else None
    if last is not None and last < first:
        return None
    return _between(first, last, size, shift=1 if is_one_based and first > 0 else 0)


def counts_from_zero(header: str | None) -> bool:
    """Return whether a `Range` header shows that its client counts bytes from 0, whatever its product says."""
    match = _RANGE.fullmatch(header or "")
    return match is not None and match[1] != "" and _position(match[1]) == 0


def _position(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _last(length: int, size: int) -> Slice:
    if length == 0 or size == 0:
        raise UnsatisfiableError("no bytes")
    return Slice(max(size - length, 0), size)


def _between(first: int, last: int | None, size: int, *, shift: int) -> Slice:
    first -= shift
    if first >= size:
        raise UnsatisfiableError("beyond the end")
    return Slice(first, size if last is None else min(last - shift + 1, size), shift)

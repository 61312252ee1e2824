"""Values from text, from bytes and from what describes itself, as the type of their resource wants them."""

import math
import re
import struct
from typing import NamedTuple

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.resources import Kind

MAX_TEXT = 4_096
"""Characters of the longest value that is passed on."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""That of UTF-8."""
_INTEGER_BYTES = (1, 2, 4, 8)
_FLOAT_FORMATS = {4: ">f", 8: ">d"}
_LINK_BYTES = 4
_INTEGER_TEXT = re.compile(r"[-+]?[0-9]{1,20}", re.ASCII)
_FLOAT_TEXT = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][-+]?[0-9]{1,3})?", re.ASCII)
_INT64 = 2**63
_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}


class Number(NamedTuple):
    """A number as its digits: a version 1.10 is not 1.1."""

    text: str


def from_text(text: str, kind: Kind | None) -> ResourceValue:
    """Return the value of a text/plain representation (OMA TS 1.1.1 §7.4.1); of an unknown type, the text.

    Raises:
        PayloadError: Not of this type.
    """
    match kind:
        case Kind.INTEGER | Kind.FLOAT:
            return _number(text.strip())
        case Kind.BOOLEAN if (known := _BOOLEANS.get(text.strip().lower())) is not None:
            return known
        case Kind.BOOLEAN:
            raise PayloadError("not a Boolean")
        case _:
            return _short(text)


def from_bytes(raw: bytes, kind: Kind | None) -> ResourceValue:
    """Return the value of a TLV (OMA TS 1.0.2 Appendix C); of an unknown type, and opaque, `hex:` and the digits.

    A number of a length that no number has is taken if it is one as text.

    Raises:
        PayloadError: Not of this type.
    """
    match kind:
        case Kind.INTEGER if len(raw) in _INTEGER_BYTES:
            return int.from_bytes(raw, signed=True)
        case Kind.FLOAT if len(raw) in _FLOAT_FORMATS:
            return _finite(struct.unpack(_FLOAT_FORMATS[len(raw)], raw)[0])
        case Kind.BOOLEAN if raw in {b"\0", b"\1"}:
            return raw == b"\1"
        case Kind.LINK if len(raw) == _LINK_BYTES:
            return "{}:{}".format(*struct.unpack(">HH", raw))
        case Kind.OPAQUE | None:
            return _short("hex:" + raw.hex())
        case Kind.STRING | Kind.INTEGER | Kind.FLOAT | Kind.BOOLEAN:
            return from_text(from_utf8(raw), kind)
        case _:
            raise PayloadError(f"{len(raw)} bytes are no {kind.name.capitalize()}")


def from_tree(value: object, kind: Kind | None) -> ResourceValue:
    """Return a value of a self-describing format (SenML, JSON) as its resource's type wants it.

    Raises:
        PayloadError: Not of this type, out of range, or no value at all.
    """
    match value:
        case str():
            return from_text(value.removeprefix("\ufeff").partition("\0")[0], kind)
        case Number(text):
            return _number(text) if kind is None else from_text(text, kind)
        case bytes() if kind in {Kind.OPAQUE, None}:
            return _short("hex:" + value.hex())
        case bool() if kind in {Kind.BOOLEAN, None}:
            return value
        case int() | float() if not isinstance(value, bool) and kind in {Kind.INTEGER, Kind.FLOAT, None}:
            return _in_range(value) if isinstance(value, int) else _finite(value)
        case int() if not isinstance(value, bool) and kind is not Kind.OPAQUE:
            return from_text(str(value), kind)
        case _:
            raise PayloadError(f"not the type of the resource: {type(value).__name__}")


def from_utf8(raw: bytes) -> str:
    """Return a text, up to the NUL that ends a string in C; GBK is taken, too (as GB18030).

    Raises:
        PayloadError: Neither UTF-8 nor GBK, or too long.
    """
    raw = raw.removeprefix(BYTE_ORDER_MARK).partition(b"\0")[0]
    for encoding in ("utf-8", "gb18030"):
        try:
            return _short(raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise PayloadError("not UTF-8")


def _number(text: str) -> int | float:
    if _INTEGER_TEXT.fullmatch(text):
        return _in_range(int(text))
    if _FLOAT_TEXT.fullmatch(text):
        return _finite(float(text))
    raise PayloadError("not a number")


def _in_range(value: int) -> int:
    if not -_INT64 <= value < _INT64:
        raise PayloadError("an integer beyond 64 bits")
    return value


def _finite(value: float) -> float:
    """Return the number unless JSON cannot express it; -97.0 becomes the integer that it is."""
    if not math.isfinite(value):
        raise PayloadError("not a finite number")
    return int(value) if value.is_integer() and abs(value) < _INT64 else value


def _short(text: str) -> str:
    """Return a text that can be passed on: halves of surrogate pairs, which JSON has and UTF-8 has not, become `?`."""
    if len(text) > MAX_TEXT:
        raise PayloadError("a value that is too long")
    return text if text.isascii() else text.encode(errors="replace").decode()

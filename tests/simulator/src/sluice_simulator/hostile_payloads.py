"""Bodies and options as no device sends them, by seeded chance: of any length, of wrong types, cut off, nested."""

import json
from random import Random
from typing import Final

from sluice_simulator import packet as coap
from sluice_simulator.packet import Option

_KNOWN: Final = (1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 17, 20, 23, 27, 28, 35, 39, 60, 252, 258)
_LENGTHS: Final = (0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 8, 9, 12, 13, 14, 40, 255, 256, 268, 269, 270, 1_000, 1_800, 3_000)
_FORMATS: Final = (0, 40, 42, 50, 60, 110, 112, 1541, 1542, 1543, 11542, 11543, 11544, 65_535)
_NUMBERS: Final = (
    *("0", "1", "2", "3", "-1", "1.0", "1e3", "1e999", "-0", "NaN", "Infinity", "0x10", "\u0661", "true", "null", ""),
    *("9" * 19, "9" * 20, "9" * 400, "9" * 3_000, "-" + "9" * 5_000, "0." + "1" * 2_000),
)
_TEXTS: Final = ("1.0", "\ud800", "a\0b", "/5/0/3", "", "\u202e", "x" * 5_000, '"', "<", "\n")


_MAX_DEPTH: Final = 4


def options(chance: Random) -> list[Option]:
    """Return a few options in ascending order, known and unknown, of lengths that they may and may not have."""
    found = [(_number(chance), _value(chance)) for _ in range(chance.choice((0, 1, 1, 2, 3, 8)))]
    return sorted(found, key=lambda option: option[0])


def body(chance: Random) -> tuple[list[Option], bytes]:
    """Return a body, and the Content-Format that it has, or another."""
    content_format, payload = chance.choice((_text, _json, _cbor, _tlv, _noise))(chance)
    if _in(chance, 0.3):
        content_format = chance.choice(_FORMATS)
    named: list[Option] = [] if _in(chance, 0.2) else [(coap.CONTENT_FORMAT, coap.uint_bytes(content_format))]
    if _in(chance, 0.2):
        payload = payload[: chance.randrange(len(payload) + 1)]
    return named, payload


def _in(chance: Random, share: float) -> bool:
    return chance.random() < share


def _number(chance: Random) -> int:
    return chance.choice(_KNOWN) if _in(chance, 0.85) else chance.randrange(65_536)


def _value(chance: Random) -> bytes:
    length = chance.choice(_LENGTHS)
    return chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))


def _text(chance: Random) -> tuple[int, bytes]:
    return 0, chance.choice((*_NUMBERS, *_TEXTS)).encode("utf-8", "surrogatepass")


def _json(chance: Random) -> tuple[int, bytes]:
    text = json.dumps([_record(chance) for _ in range(chance.choice((1, 2, 3, 40)))])
    if _in(chance, 0.3):  # a number that no JSON of Python's has
        text = text.replace('"?"', chance.choice(_NUMBERS))
    if _in(chance, 0.1):
        text = "[" * chance.choice((10, 2_000)) + text
    return chance.choice((50, 110, 11543)), text.encode("utf-8", "surrogatepass")


def _record(chance: Random) -> dict[str, object]:
    value: object = chance.choice(("?", None, True, -1, 2**64, 2**700, 0.5, [], {}, *_TEXTS))
    fields = {
        "bn": chance.choice(("/5/0/", "/5/0/3", "", "/", 7, "/3/0/")),
        "n": chance.choice(("3", "/5/0/3", "", 3, None, "0/3")),
        chance.choice(("v", "vs", "vb", "vd", "sv", "e", "t", "bt")): value,
    }
    return {name: field for name, field in fields.items() if _in(chance, 0.8)}


def _cbor(chance: Random) -> tuple[int, bytes]:
    heads = bytes(chance.choice((0x1B, 0x3B, 0x5B, 0x7F, 0x9F, 0xBF, 0xC2, 0xD9, 0xF9, 0xFB, 0xFF)) for _ in range(3))
    value = chance.choice(
        (heads, b"\x1b" + b"\xff" * 8, b"\xfb\x7f\xf0" + bytes(6), b"\x02", b"\xc2\x58\xff" + b"\xff" * 255)
    )
    record = b"\xa2\x00\x66/5/0/3\x02" + value
    return chance.choice((60, 112)), chance.choice((b"\x81" + record, record, heads * 400, b"\x9b" + b"\xff" * 8))


def _tlv(chance: Random) -> tuple[int, bytes]:
    def item(depth: int) -> bytes:
        value = (
            item(depth + 1)
            if depth < _MAX_DEPTH and _in(chance, 0.5)
            else chance.randbytes(chance.choice((0, 1, 3, 8, 300)))
        )
        kind, length = chance.choice((0x00, 0x40, 0x80, 0xC0)), len(value) + chance.choice((0, 0, 0, 1, -1, 70_000))
        size = max(0, length)
        return bytes((kind | 0x18, chance.choice((0, 3, 255)))) + (size & 0xFFFFFF).to_bytes(3) + value

    return chance.choice((11542, 1542)), item(0) * chance.choice((1, 1, 2, 50))


def _noise(chance: Random) -> tuple[int, bytes]:
    return chance.choice(_FORMATS), chance.randbytes(chance.choice(_LENGTHS))

"""The LwM2M TLV format (OMA TS 1.0.2 §6.4.3): bytes to values by path.

A TLV names itself with one id; where it stands decides what the id is: an Object Instance holds Resources, a Multiple
Resource holds Resource Instances. Nesting ends where the path ends, so nothing here can recurse for long (ADR 0019).
"""

from collections.abc import Iterator
from enum import IntEnum

from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Asked, Path


class TlvType(IntEnum):
    """Bits 7–6 of the type byte."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


_INSTANCE_DEPTH = 2
_CONTAINERS = frozenset((TlvType.OBJECT_INSTANCE, TlvType.MULTIPLE_RESOURCE))
_DEPTH = {
    TlvType.OBJECT_INSTANCE: _INSTANCE_DEPTH,
    TlvType.RESOURCE: RESOURCE_DEPTH,
    TlvType.MULTIPLE_RESOURCE: RESOURCE_DEPTH,
    TlvType.RESOURCE_INSTANCE: RESOURCE_DEPTH + 1,
}
"""Length of the path that a TLV of this type completes."""


def decode_tlv(asked: Asked, payload: bytes) -> Iterator[tuple[Path, bytes]]:
    """Yield path and bytes of every resource and resource instance.

    Around what was asked for may be what contains it, and beside it its siblings (clients do so, and OMA called it not
    wrong); a TLV that cannot stand where it is is passed over.

    Raises:
        PayloadError: Cut off.
    """
    yield from _read(asked.path, payload, 0)


def _read(base: Path, data: bytes, above: int) -> Iterator[tuple[Path, bytes]]:
    """Read the TLVs below a path; what they are in has a path of length `above`, so that nesting ends with paths."""
    for kind, number, content in _elements(data):
        path = _place(base, _DEPTH[kind], number)
        if path is None or len(path) <= above:
            continue
        if kind in _CONTAINERS:
            yield from _read(path, content, len(path))
        else:
            yield path, content


def _place(base: Path, depth: int, number: int) -> Path | None:
    """Return the path of a TLV that completes one of a length: below the base, or beside what the base is in."""
    if len(base) >= depth - 1:
        return (*base[: depth - 1], number)
    if len(base) == 1 and depth == RESOURCE_DEPTH:
        return (*base, 0, number)  # Object level of a single-instance object (OMA TS 1.0.2 §6.4.3.1)
    return None


def _elements(data: bytes) -> Iterator[tuple[TlvType, int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        id_bytes = 2 if head & 0x20 else 1
        length_bytes = head >> 3 & 3
        value_at = at + 1 + id_bytes + length_bytes
        length = int.from_bytes(data[at + 1 + id_bytes : value_at]) if length_bytes else head & 7
        if value_at + length > len(data):
            raise PayloadError("a TLV that is cut off")
        yield TlvType(head >> 6), int.from_bytes(data[at + 1 : at + 1 + id_bytes]), data[value_at : value_at + length]
        at = value_at + length

"""The LwM2M TLV format (OMA TS 1.0.2 §6.4.3): bytes to values by path.

A TLV names itself with one id; where it stands decides what the id is: an Object Instance holds Resources, a Multiple
Resource holds Resource Instances. Nesting ends where the path ends, so nothing here can recurse for long (ADR 0019).
"""

from collections.abc import Iterator
from enum import IntEnum

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Path
from sluice_lwm2m.domain.encoding.resources import from_bytes, kind_of


class TlvType(IntEnum):
    """Bits 7–6 of the type byte."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


_INSTANCE_DEPTH = 2
_DEPTH = {
    TlvType.OBJECT_INSTANCE: _INSTANCE_DEPTH,
    TlvType.RESOURCE: RESOURCE_DEPTH,
    TlvType.MULTIPLE_RESOURCE: RESOURCE_DEPTH,
    TlvType.RESOURCE_INSTANCE: RESOURCE_DEPTH + 1,
}
"""Length of the path that a TLV of this type completes."""


def decode_tlv(base: Path, payload: bytes) -> Iterator[tuple[Path, ResourceValue]]:
    """Yield path and value of every resource and resource instance below the requested path.

    Raises:
        PayloadError: Cut off, or a TLV where its type cannot stand.
    """
    for kind, number, content in _elements(payload):
        path = _place(base, kind, number)
        if kind in {TlvType.OBJECT_INSTANCE, TlvType.MULTIPLE_RESOURCE}:
            yield from decode_tlv(path, content)
        else:
            yield path, from_bytes(content, kind_of(path))


def _place(base: Path, kind: TlvType, number: int) -> Path:
    """Return the path of a TLV: one level below the base, or the base itself if that was requested."""
    depth = _DEPTH[kind]
    if len(base) == depth - 1:
        return (*base, number)
    if len(base) == depth and base[-1] == number:
        return base
    if len(base) == 1 and kind in {TlvType.RESOURCE, TlvType.MULTIPLE_RESOURCE}:
        return (*base, 0, number)  # Object level of a single-instance object (OMA TS 1.0.2 §6.4.3.1)
    raise PayloadError(f"a TLV of type {kind} below a path of length {len(base)}")


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

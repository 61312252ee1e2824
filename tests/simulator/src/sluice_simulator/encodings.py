"""LwM2M content as devices write it: text, TLV, SenML-JSON, SenML-CBOR (OMA TS 1.1.1 §7.4).

The platform has its own decoders; nothing is shared with them, so that a slip on one side shows on the other.
"""

import json
import struct
from collections.abc import Mapping
from typing import Final

import cbor2

TEXT: Final = 0
LINK_FORMAT: Final = 40
OPAQUE: Final = 42
SENML_JSON: Final = 110
SENML_CBOR: Final = 112
TLV: Final = 11542

Scalar = bool | int | float | str
Value = Scalar | Mapping[int, Scalar]
"""A resource: one value, or resource instances by id."""
Resources = Mapping[int, Value]
"""An object instance: resources by id."""

_OBJECT_INSTANCE: Final = 0b00
_RESOURCE_INSTANCE: Final = 0b01
_MULTIPLE_RESOURCE: Final = 0b10
_RESOURCE: Final = 0b11
_SHORT_LENGTH: Final = 8

# RFC 8428 §6, table 4: integer labels of the CBOR representation.
_CBOR_LABELS: Final = {"bn": -2, "n": 0, "v": 2, "vs": 3, "vb": 4}


class ContentError(ValueError):
    """A payload is not what its content format says, or holds no such value."""


def encode_text(value: Value) -> bytes:
    """A single value in text/plain (OMA TS 1.0.2 §6.4.1); booleans are 0 and 1.

    Raises:
        ContentError: The value has several instances, which have no text form.
    """
    if isinstance(value, Mapping):
        raise ContentError("no plain text form")
    return str(int(value) if isinstance(value, bool) else value).encode()


def encode_tlv(resources: Resources) -> bytes:
    """Resources of one object instance as TLV, without an enclosing instance (OMA TS 1.0.2 §6.4.3)."""
    return b"".join(_resource_tlv(key, value) for key, value in resources.items())


def encode_tlv_instances(instances: Mapping[int, Resources]) -> bytes:
    """All instances of an object as TLV (OMA TS 1.0.2 §6.4.3.2)."""
    return b"".join(_tlv(_OBJECT_INSTANCE, key, encode_tlv(resources)) for key, resources in instances.items())


def encode_senml_json(path: str, resources: Resources) -> bytes:
    """Resources under the instance `path` as SenML-JSON (RFC 8428 §5, OMA TS 1.1.1 §7.4.4)."""
    return json.dumps(_senml_records(path, resources), separators=(",", ":")).encode()


def encode_senml_cbor(path: str, resources: Resources) -> bytes:
    """Resources under the instance `path` as SenML-CBOR (RFC 8428 §6, OMA TS 1.1.1 §7.4.5)."""
    records = _senml_records(path, resources)
    return cbor2.dumps([{_CBOR_LABELS[label]: value for label, value in record.items()} for record in records])


def decode_string(content_format: int, payload: bytes) -> str:
    """The one string that a Write carries.

    Raises:
        ContentError: Malformed, another type, or a content format that devices do not take.
    """
    try:
        if content_format in {TEXT, OPAQUE}:
            return payload.decode()
        if content_format == TLV:
            return _tlv_value(payload).decode()
        if content_format == SENML_JSON:
            return _senml_string(json.loads(payload), "vs")
        if content_format == SENML_CBOR:
            return _senml_string(cbor2.loads(payload), _CBOR_LABELS["vs"])
    except (ValueError, IndexError, cbor2.CBORError) as error:
        raise ContentError(f"malformed content of format {content_format}") from error
    raise ContentError(f"content format {content_format} is not supported")


def _resource_tlv(key: int, value: Value) -> bytes:
    if isinstance(value, Mapping):
        instances = (_tlv(_RESOURCE_INSTANCE, at, _tlv_bytes(one)) for at, one in value.items())
        return _tlv(_MULTIPLE_RESOURCE, key, b"".join(instances))
    return _tlv(_RESOURCE, key, _tlv_bytes(value))


def _tlv(kind: int, key: int, value: bytes) -> bytes:
    """Type byte, identifier of 8 or 16 bits, length where the type byte cannot hold it, value."""
    length = len(value)
    wide_key = key > 0xFF  # noqa: PLR2004 - one byte
    length_bytes = b"" if length < _SHORT_LENGTH else length.to_bytes((length.bit_length() + 7) // 8)
    type_byte = kind << 6 | wide_key << 5 | len(length_bytes) << 3 | (0 if length_bytes else length)
    return bytes((type_byte,)) + key.to_bytes(1 + wide_key) + length_bytes + value


def _tlv_bytes(value: Scalar) -> bytes:
    """Appendix C of OMA TS 1.0.2: integers are signed, of 8, 16, 32 or 64 bits; floats are doubles."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, float):
        return struct.pack(">d", value)
    for width in (1, 2, 4):
        if -(1 << (8 * width - 1)) <= value < 1 << (8 * width - 1):
            return int(value).to_bytes(width, signed=True)
    return int(value).to_bytes(8, signed=True)


def _tlv_value(payload: bytes) -> bytes:
    """The value of a payload that is one resource TLV."""
    kind, key_bytes, length_width = payload[0] >> 6, 1 + (payload[0] >> 5 & 1), payload[0] >> 3 & 3
    start = 1 + key_bytes + length_width
    length = int.from_bytes(payload[1 + key_bytes : start]) if length_width else payload[0] & 7
    if kind != _RESOURCE or len(payload) != start + length:
        raise ContentError("not one resource TLV")
    return payload[start:]


def _senml_records(path: str, resources: Resources) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    for key, value in resources.items():
        instances = value.items() if isinstance(value, Mapping) else ((None, value),)
        for instance, one in instances:
            name = str(key) if instance is None else f"{key}/{instance}"
            records.append({"n": name, _senml_label(one): one})
    if records:
        records[0] = {"bn": f"{path}/", **records[0]}
    return records


def _senml_label(value: Scalar) -> str:
    if isinstance(value, bool):
        return "vb"
    return "vs" if isinstance(value, str) else "v"


def _senml_string(records: object, label: str | int) -> str:
    match records:
        case [dict() as record] if isinstance(record.get(label), str):
            return str(record[label])
    raise ContentError("not one SenML record with a string")

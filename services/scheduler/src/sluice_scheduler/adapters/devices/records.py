"""The bytes of a record: the offset of its last event, then the record as MessagePack.

The offset stands in front, big-endian, so that of two records of one device the newer one can be told without
decoding either: what a stalled worker writes late must not replace what its successor has written.
"""

import struct

import msgspec

from sluice_common.errors import PoisonError
from sluice_rules.devices.device import Device

CHANGELOG = "sluice-devices-records-changelog"
"""Topic of all of them, as Faust names it after app and table; the key is the device's id."""
_OFFSET = struct.Struct(">q")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Device)


class BrokenRecordError(PoisonError):
    """The bytes are no record."""


def encode(device: Device) -> bytes:
    """Return the bytes of a record."""
    return _OFFSET.pack(device.offset) + _encoder.encode(device)


def decode(value: bytes) -> Device:
    """Return the record.

    Raises:
        BrokenRecordError: The bytes are none.
    """
    try:
        return _decoder.decode(memoryview(value)[_OFFSET.size :])
    except (msgspec.DecodeError, ValueError) as error:
        raise BrokenRecordError(str(error)) from error


def offset_of(value: bytes) -> int:
    """Return the offset of the last event of a record, -1 for bytes that are none."""
    return int(_OFFSET.unpack_from(value)[0]) if len(value) >= _OFFSET.size else -1

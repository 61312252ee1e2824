"""Block options of block-wise transfers (RFC 7959 §2.2)."""

import msgspec

from sluice_lwm2m.domain.coap.message import uint_bytes

_MAX_BYTES = 3
_RESERVED_EXPONENT = 7
MAX_EXPONENT = 6
"""SZX of the largest block, 1,024 bytes."""


class Block(msgspec.Struct, frozen=True):
    """Value of a Block1 or Block2 option.

    Attributes:
        number: Position, counted in blocks.
        more: Whether more blocks follow.
        exponent: SZX; the block's size is 2^(SZX+4) bytes.
    """

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """Bytes of a full block."""
        return 16 << self.exponent

    @property
    def start(self) -> int:
        """Offset of the block's first byte."""
        return self.number << (self.exponent + 4)

    def to_bytes(self) -> bytes:
        """Return the option's value."""
        return uint_bytes(self.number << 4 | self.more << 3 | self.exponent)


def parse_block(value: bytes) -> Block | None:
    """Return the option, or None if it is too long or its size is the reserved one (RFC 7959 §2.2)."""
    raw = int.from_bytes(value)
    if len(value) > _MAX_BYTES or raw & 7 == _RESERVED_EXPONENT:
        return None
    return Block(raw >> 4, bool(raw & 8), raw & 7)


def exponent_of(size: int) -> int:
    """Return the SZX of the largest block size that is at most `size` bytes; 0 below 32."""
    return max(0, min(MAX_EXPONENT, size.bit_length() - 5))

"""An image as devices receive it: blocks with their options (RFC 7959 §2, §4).

An upgrade fetches its image in tens to thousands of blocks: what is the same in all of them is encoded once per image.
Leaves out the bytes, which lie in chunks of whole blocks.
"""

from typing import NamedTuple

import msgspec

from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import uint_bytes
from sluice_lwm2m.domain.encoding.content import OCTET_STREAM

LARGEST_BLOCK = 1_024
_BLOCK2_DELTA = (coap.BLOCK2 - coap.CONTENT_FORMAT) << 4
_SIZE2_DELTA = (coap.SIZE2 - coap.BLOCK2) << 4
_MAX_OPTION_BYTES = 3
_MORE = 8
_RESERVED_EXPONENT = 7


class Image(msgspec.Struct, frozen=True):
    """How an image is stored and what stands around its blocks.

    Attributes:
        length: Bytes.
        chunk_size: Bytes of each chunk but the last; a multiple of every block size, so that no block lies in two.
        options_before: Encoded options before Block2: ETag, which names exactly these bytes, and Content-Format.
        size2: Encoded option after Block2 in a first block.
    """

    length: int
    chunk_size: int
    options_before: bytes
    size2: bytes

    def chunk_length(self, number: int) -> int:
        """Return the bytes of a chunk; none beyond the end."""
        return max(0, min(self.chunk_size, self.length - number * self.chunk_size))


class BlockSlice(NamedTuple):
    """Where the bytes of a block lie: in a chunk, from start to end; and the encoded options of its response."""

    chunk: int
    start: int
    end: int
    options: bytes


def make_image(length: int, chunk_size: int, etag: bytes) -> Image:
    """Return an image that is ready to be served.

    Args:
        length: Bytes.
        chunk_size: Bytes of each chunk but the last.
        etag: Of up to 8 bytes (RFC 7252 §5.10.6).

    Raises:
        ValueError: Blocks would lie in two chunks.
    """
    if chunk_size <= 0 or chunk_size % LARGEST_BLOCK:
        raise ValueError(f"chunks of {chunk_size} bytes")
    size = uint_bytes(length)
    return Image(
        length,
        chunk_size,
        codec.encode_options(((coap.ETAG, etag), (coap.CONTENT_FORMAT, uint_bytes(OCTET_STREAM)))),
        bytes((_SIZE2_DELTA | len(size),)) + size,
    )


def slice_of(image: Image, block2: bytes | None, default_exponent: int) -> BlockSlice | None:
    """Return what a block is made of; None if there is no such block.

    Args:
        image: The image.
        block2: Value of the request's Block2 option, if it has one.
        default_exponent: SZX if it has none.
    """
    value = default_exponent if block2 is None else int.from_bytes(block2)
    exponent = value & 7
    start = value >> 4 << exponent + 4
    if exponent == _RESERVED_EXPONENT or (start >= image.length and start) or len(block2 or b"") > _MAX_OPTION_BYTES:
        return None
    end = start + (16 << exponent)
    block = uint_bytes(value | _MORE if end < image.length else value & ~_MORE)
    options = image.options_before + bytes((_BLOCK2_DELTA | len(block),)) + block
    chunk, offset = divmod(start, image.chunk_size)
    return BlockSlice(chunk, offset, offset + (16 << exponent), options if start else options + image.size2)

"""An image as devices receive it: blocks with their options (RFC 7959 §2, §4), made ready once per image.

A block is asked for tens of times per upgrade and a request per upgrade only a few times: what can be encoded when the
image is loaded is encoded then.
"""

from hashlib import sha256

import msgspec

from sluice_lwm2m.domain import coap
from sluice_lwm2m.domain.coap import uint_bytes
from sluice_lwm2m.domain.content import OCTET_STREAM

_ETAG_BYTES = 8
_BLOCK2_DELTA = (coap.BLOCK2 - coap.CONTENT_FORMAT) << 4
_SIZE2_DELTA = (coap.SIZE2 - coap.BLOCK2) << 4
_MAX_OPTION_BYTES = 3
_MORE = 8
_RESERVED_EXPONENT = 7


class Image(msgspec.Struct, frozen=True):
    """The bytes of an image and what stands around them.

    Attributes:
        data: All of them.
        before: Encoded options before Block2: ETag, which names exactly these bytes, and Content-Format.
        size: Encoded option after Block2 in a first block: Size2.
    """

    data: bytes
    before: bytes
    size: bytes


def make_image(data: bytes) -> Image:
    """Return an image that is ready to be served."""
    etag = sha256(data).digest()[:_ETAG_BYTES]
    size = uint_bytes(len(data))
    return Image(
        data,
        coap.encode_options(((coap.ETAG, etag), (coap.CONTENT_FORMAT, uint_bytes(OCTET_STREAM)))),
        bytes((_SIZE2_DELTA | len(size),)) + size,
    )


def block_of(image: Image, asked: bytes | None, default_exponent: int) -> tuple[bytes, bytes] | None:
    """Return encoded options and payload of a block; None if there is no such block.

    Args:
        image: The image.
        asked: Value of the request's Block2 option, if it has one.
        default_exponent: SZX if it has none.
    """
    value = default_exponent if asked is None else int.from_bytes(asked)
    exponent = value & 7
    start = value >> 4 << exponent + 4
    if exponent == _RESERVED_EXPONENT or (start >= len(image.data) and start) or len(asked or b"") > _MAX_OPTION_BYTES:
        return None
    end = start + (16 << exponent)
    block = uint_bytes(value | _MORE if end < len(image.data) else value & ~_MORE)
    options = image.before + bytes((_BLOCK2_DELTA | len(block),)) + block
    return (options if start else options + image.size), image.data[start:end]

"""Images from GridFS, chunk by chunk; the most recently served chunks stay in memory.

Chunks are read by their number (GridFS specification, "Chunks"): memory depends on neither the number of images nor
their size, and the driver's stream would fetch many chunks to return one.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

import msgspec
import structlog

from sluice_lwm2m.domain.image import Image, make_image

_log = structlog.get_logger()
_ETAG_BYTES = 8
_MAX_IMAGES = 10_000
"""Images whose options are kept: a few hundred bytes each."""


class BucketCollection(Protocol):
    """What is used of the collections of a GridFS bucket."""

    async def find_one(
        self, query: Mapping[str, Any], fields: Mapping[str, Any] | None = None, /
    ) -> Mapping[str, Any] | None:
        """Return a document that matches."""


class _File(msgspec.Struct, frozen=True):
    """What is read of a GridFS file."""

    image_id: str = msgspec.field(name="_id")
    length: int
    chunk_size: int = msgspec.field(name="chunkSize")
    uploaded_at: datetime = msgspec.field(name="uploadDate")


class GridFsImageStore:
    """Images by id, and their chunks by number (`sluice_lwm2m.application.ports.ImageStore`)."""

    def __init__(self, files: BucketCollection, chunks: BucketCollection, capacity: int) -> None:
        """Prepare.

        Args:
            files: Files of the bucket of images; file id = image id.
            chunks: Their chunks.
            capacity: Bytes of chunks that are kept in memory; the newest is kept whatever its size.
        """
        self._files = files
        self._chunks = chunks
        self._capacity = capacity
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._size = 0

    def image(self, image_id: str) -> Image | None:
        """Return an image that is known."""
        return self._images.get(image_id)

    def chunk(self, image_id: str, number: int) -> bytes | None:
        """Return a chunk that is in memory."""
        key = image_id, number
        data = self._kept.get(key)
        if data is not None:
            self._kept.move_to_end(key)
        return data

    async def load_image(self, image_id: str) -> bool:
        """Read what is known of an image; return False if there is none that can be served.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        document = await self._files.find_one({"_id": image_id})
        if document is None:
            _log.warning("image_missing", image_id=image_id)
            return False
        try:
            file = msgspec.convert(document, _File)
            self._images[image_id] = make_image(file.length, file.chunk_size, _etag(file))
        except ValueError as error:
            _log.error("image_not_servable", image_id=image_id, reason=str(error))
            return False
        if len(self._images) > _MAX_IMAGES:
            self._images.popitem(last=False)
        return True

    async def load_chunk(self, image_id: str, number: int) -> bool:
        """Read a chunk of a known image into memory; return False if it is missing or of another length.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        image = self._images.get(image_id)
        if image is None:
            return False
        expected = image.chunk_length(number)
        found = await self._chunks.find_one({"files_id": image_id, "n": number}, {"data": 1}) if expected else None
        data = bytes(found["data"]) if found else b""
        if len(data) != expected:
            _log.error("image_incomplete", image_id=image_id, chunk=number, length=len(data), expected=expected)
            self._images.pop(image_id, None)  # the image may have been stored again, with other bytes
            return False
        self._keep((image_id, number), data)
        return True

    def _keep(self, key: tuple[str, int], data: bytes) -> None:
        self._size += len(data) - len(self._kept.pop(key, b""))
        self._kept[key] = data
        while self._size > self._capacity and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)


def _etag(file: _File) -> bytes:
    """Return a name for the bytes of a file; it changes when the id is stored again with other bytes."""
    stored = f"{file.image_id} {file.length} {file.uploaded_at.timestamp()}"
    return sha256(stored.encode()).digest()[:_ETAG_BYTES]

"""Images from GridFS, chunk by chunk; the most recently served chunks stay in memory.

Chunks are read by their number (GridFS specification, "Chunks"): memory depends on neither the number of images nor
their size, and the driver's stream would fetch many chunks to return one.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import structlog

from sluice_common.mongo import IMAGE_BUCKET, Database
from sluice_lwm2m.domain.image import Image, make_image

_log = structlog.get_logger()
_ETAG_BYTES = 8
_MAX_IMAGES = 10_000
"""Images whose options are kept: a few hundred bytes each."""


class ImageStore:
    """Images by id, and their chunks by number."""

    def __init__(self, database: Database, capacity: int) -> None:
        """Prepare.

        Args:
            database: With the bucket of images; file id = image id.
            capacity: Bytes of chunks that are kept in memory; the newest is kept whatever its size.
        """
        self._files = database[f"{IMAGE_BUCKET}.files"]
        self._chunks = database[f"{IMAGE_BUCKET}.chunks"]
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
        """Get to know an image; False if there is none that can be served.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        file = await self._files.find_one({"_id": image_id})
        if file is None:
            _log.warning("image_missing", image_id=image_id)
            return False
        try:
            self._images[image_id] = make_image(file["length"], file["chunkSize"], _etag(file))
        except ValueError as error:
            _log.error("image_not_servable", image_id=image_id, reason=str(error))
            return False
        if len(self._images) > _MAX_IMAGES:
            self._images.popitem(last=False)
        return True

    async def load_chunk(self, image_id: str, number: int) -> bool:
        """Read a chunk of a known image into memory; False if it is not there as it should be.

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
            self._images.pop(image_id, None)  # it may have been stored anew
            return False
        self._keep((image_id, number), data)
        return True

    def _keep(self, key: tuple[str, int], data: bytes) -> None:
        self._size += len(data) - len(self._kept.pop(key, b""))
        self._kept[key] = data
        while self._size > self._capacity and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)


def _etag(file: Mapping[str, Any]) -> bytes:
    """Return a name for the bytes of a file: an id that was stored anew, with other bytes, gets another one."""
    stored = f"{file['_id']} {file['length']} {file['uploadDate'].timestamp()}"
    return sha256(stored.encode()).digest()[:_ETAG_BYTES]

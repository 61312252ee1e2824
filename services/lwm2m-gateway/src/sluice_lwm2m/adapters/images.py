"""Images from GridFS, the most recently served ones in memory."""

from collections import OrderedDict
from typing import Any

import structlog
from gridfs.errors import NoFile

from sluice_lwm2m.domain.image import Image, make_image

_log = structlog.get_logger()


class ImageStore:
    """Images by id."""

    def __init__(self, bucket: Any, capacity: int) -> None:
        """Prepare.

        Args:
            bucket: GridFS bucket of images; file id = image id.
            capacity: Bytes that are kept in memory.
        """
        self._bucket = bucket
        self._capacity = capacity
        self._kept: OrderedDict[str, Image] = OrderedDict()
        self._size = 0

    def get(self, image_id: str) -> Image | None:
        """Return an image that is in memory."""
        image = self._kept.get(image_id)
        if image is not None:
            self._kept.move_to_end(image_id)
        return image

    async def load(self, image_id: str) -> Image | None:
        """Read an image into memory; None if there is none or it is larger than the whole cache.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        try:
            stream = await self._bucket.open_download_stream(image_id)
        except NoFile:
            _log.warning("image_missing", image_id=image_id)
            return None
        length = int(stream.length)
        if length > self._capacity:
            _log.error("image_too_large", image_id=image_id, length=length, capacity=self._capacity)
            return None
        data: bytes = await stream.read()
        image = make_image(data)
        self._keep(image_id, image)
        return image

    def _keep(self, image_id: str, image: Image) -> None:
        self._kept[image_id] = image
        self._size += len(image.data)
        while self._size > self._capacity:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped.data)

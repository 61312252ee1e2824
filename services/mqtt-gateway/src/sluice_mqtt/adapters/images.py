"""Chunks of images from GridFS, the most recently served ones in memory, shared by all downloads.

A download holds a chunk at a time, and devices that fetch the same image at once share it: memory depends on neither
the number of clients nor the size of images.
"""

import asyncio
from collections import OrderedDict

from gridfs.errors import CorruptGridFile, NoFile

from sluice_common.mongo import IMAGE_BUCKET, Database

Key = tuple[str, int]


class ImageChunks:
    """Chunks by image and number."""

    def __init__(self, database: Database, capacity: int) -> None:
        """Prepare.

        Args:
            database: With the bucket of images; file id = image id.
            capacity: Bytes of chunks that are kept.
        """
        self._files = database[f"{IMAGE_BUCKET}.files"]
        self._chunks = database[f"{IMAGE_BUCKET}.chunks"]
        self._capacity = capacity
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0
        self._loading: dict[Key, asyncio.Task[bytes]] = {}
        self._chunk_sizes: dict[str, int] = {}

    async def chunk_size(self, image_id: str, size: int) -> int:
        """Return the bytes of each chunk of an image but the last.

        Raises:
            NoFile: There is no such image.
            CorruptGridFile: It is not as large as it should be.
            PyMongoError: MongoDB cannot answer.
        """
        known = self._chunk_sizes.get(image_id)
        if known is not None:
            return known
        found = await self._files.find_one({"_id": image_id}, {"length": 1, "chunkSize": 1})
        if found is None:
            raise NoFile(f"no image {image_id}")
        if found["length"] != size:
            raise CorruptGridFile(f"image {image_id} has {found['length']} bytes, not {size}")
        self._chunk_sizes[image_id] = chunk_size = int(found["chunkSize"])
        return chunk_size

    async def chunk(self, image_id: str, number: int) -> bytes:
        """Return a chunk.

        Raises:
            CorruptGridFile: It is missing.
            PyMongoError: MongoDB cannot answer.
        """
        key = image_id, number
        data = self._kept.get(key)
        if data is not None:
            self._kept.move_to_end(key)
            return data
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._load(key))
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    async def _load(self, key: Key) -> bytes:
        image_id, number = key
        found = await self._chunks.find_one({"files_id": image_id, "n": number}, {"data": 1})
        if found is None:
            raise CorruptGridFile(f"chunk {number} of image {image_id} is missing")
        return bytes(found["data"])

    def _loaded(self, key: Key, task: asyncio.Task[bytes]) -> None:
        del self._loading[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = data = task.result()
        self._size += len(data)
        while self._size > self._capacity:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)

"""Chunks of images from GridFS, the most recently served ones in memory, shared by all downloads.

A download holds a chunk at a time, and devices that fetch the same image at once share it: memory depends on neither
the number of clients nor the size of images.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, Protocol

from pymongo.errors import PyMongoError

from sluice_common.background import BackgroundTasks
from sluice_common.tokens import ENVELOPE_SUFFIX
from sluice_mqtt.application.ports import StoreUnavailableError

Key = tuple[str, int]


class Collection(Protocol):
    """A collection of the bucket of images."""

    def find_one(self, query: Any, projection: Any, /) -> Awaitable[dict[str, Any] | None]:
        """Return the document that a query finds; None if there is none."""


class GridFsImages:
    """Chunks by image and number."""

    def __init__(self, files: Collection, chunks: Collection, tasks: BackgroundTasks, capacity: int) -> None:
        """Prepare.

        Args:
            files: The files of the bucket; file id = image id.
            chunks: Their chunks.
            tasks: Owns what is being loaded, which goes on though those who want it give up.
            capacity: Bytes of chunks that are cached.
        """
        self._files = files
        self._chunks = chunks
        self._tasks = tasks
        self._capacity = capacity
        self._cache: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0
        self._loading: dict[Key, asyncio.Task[bytes]] = {}
        self._chunk_sizes: dict[str, int] = {}

    async def chunk_size(self, image_id: str, size: int) -> int:
        """Return the bytes of each chunk of an image but the last.

        Raises:
            StoreUnavailableError: There is no such image, it has another size, or MongoDB cannot answer.
        """
        known = self._chunk_sizes.get(image_id)
        if known is not None:
            return known
        try:
            found = await self._files.find_one({"_id": image_id}, {"length": 1, "chunkSize": 1})
        except PyMongoError as error:
            raise StoreUnavailableError(str(error)) from error
        if found is None:
            raise StoreUnavailableError(f"no image {image_id}")
        if found["length"] != size:
            raise StoreUnavailableError(f"image {image_id} has {found['length']} bytes, not {size}")
        self._chunk_sizes[image_id] = chunk_size = int(found["chunkSize"])
        return chunk_size

    async def envelope(self, image_id: str) -> bytes | None:
        """Return the envelope that signs an image, None if there is none.

        Raises:
            StoreUnavailableError: MongoDB cannot answer, or a part of it is missing.
        """
        envelope_id = image_id + ENVELOPE_SUFFIX
        try:
            found = await self._files.find_one({"_id": envelope_id}, {"length": 1, "chunkSize": 1})
        except PyMongoError as error:
            raise StoreUnavailableError(str(error)) from error
        if found is None:
            return None
        return b"".join([await self._load((envelope_id, n)) for n in range(-(-found["length"] // found["chunkSize"]))])

    async def chunk(self, image_id: str, number: int) -> bytes:
        """Return a chunk.

        Raises:
            StoreUnavailableError: It is missing, or MongoDB cannot answer.
        """
        key = image_id, number
        data = self._cache.get(key)
        if data is not None:
            self._cache.move_to_end(key)
            return data
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = self._tasks.start(self._load(key))
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    async def _load(self, key: Key) -> bytes:
        image_id, number = key
        try:
            found = await self._chunks.find_one({"files_id": image_id, "n": number}, {"data": 1})
        except PyMongoError as error:
            raise StoreUnavailableError(str(error)) from error
        if found is None:
            raise StoreUnavailableError(f"chunk {number} of image {image_id} is missing")
        return bytes(found["data"])

    def _loaded(self, key: Key, task: asyncio.Task[bytes]) -> None:
        del self._loading[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._cache[key] = data = task.result()
        self._size += len(data)
        while self._size > self._capacity:
            _, dropped = self._cache.popitem(last=False)
            self._size -= len(dropped)

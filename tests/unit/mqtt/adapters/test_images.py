"""Chunks of images, shared by all downloads."""

import asyncio
from typing import Any, cast

import pytest
from gridfs.errors import CorruptGridFile, NoFile

from sluice_common.mongo import Database
from sluice_mqtt.adapters.images import ImageChunks


class Files:
    """The files of a bucket."""

    async def find_one(self, query: dict[str, Any], _: object) -> dict[str, Any] | None:
        """Return the file."""
        return {"length": 25, "chunkSize": 10} if query["_id"] == "i" else None


class Chunks:
    """The chunks of a bucket; notes what is read."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.failure: Exception | None = None

    async def find_one(self, query: dict[str, Any], _: object) -> dict[str, Any] | None:
        """Return the chunk."""
        self.read.append(query["n"])
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return {"data": bytes([query["n"]]) * 10} if query["n"] < 3 else None


@pytest.fixture
def stored() -> Chunks:
    return Chunks()


def make(stored: Chunks, capacity: int = 20) -> ImageChunks:
    return ImageChunks(cast("Database", {"images.files": Files(), "images.chunks": stored}), capacity)


async def test_clients_of_one_moment_share_what_is_read(stored: Chunks) -> None:
    chunks = make(stored)
    read = await asyncio.gather(*(chunks.chunk("i", 1) for _ in range(50)))
    assert set(read) == {b"\1" * 10}
    assert stored.read == [1]


async def test_the_chunks_served_last_stay_in_memory(stored: Chunks) -> None:
    chunks = make(stored)
    for number in (0, 1, 0, 2, 0, 1):
        await chunks.chunk("i", number)
    assert stored.read == [0, 1, 2, 1]
    assert chunks._size == 20


async def test_a_client_that_leaves_does_not_take_the_chunk_from_the_others(stored: Chunks) -> None:
    chunks = make(stored)
    leaving, staying = (asyncio.create_task(chunks.chunk("i", 0)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == b"\0" * 10


async def test_what_is_missing_or_too_short_is_told(stored: Chunks) -> None:
    chunks = make(stored)
    assert await chunks.chunk_size("i", 25) == 10
    with pytest.raises(NoFile):
        await chunks.chunk_size("j", 25)
    with pytest.raises(CorruptGridFile):
        await make(stored).chunk_size("i", 26)
    with pytest.raises(CorruptGridFile):
        await chunks.chunk("i", 3)


async def test_a_failure_is_not_kept(stored: Chunks) -> None:
    chunks = make(stored)
    stored.failure = OSError("away")
    with pytest.raises(OSError, match="away"):
        await chunks.chunk("i", 0)
    stored.failure = None
    assert await chunks.chunk("i", 0) == b"\0" * 10

"""Chunks of images, shared by all downloads."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from sluice_common.background import BackgroundTasks
from sluice_mqtt.adapters.images import GridFsImages
from sluice_mqtt.application.ports import StoreUnavailableError


class Files:
    """The files of a bucket."""

    async def find_one(self, query: dict[str, Any], _: object) -> dict[str, Any] | None:
        """Return the file."""
        return {"length": 25, "chunkSize": 10} if query["_id"] in {"i", "i.dsse"} else None


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


def make(stored: Chunks, capacity: int = 20) -> GridFsImages:
    return GridFsImages(Files(), stored, BackgroundTasks(), capacity)


async def test_downloads_that_need_the_same_chunk_at_once_share_one_read(stored: Chunks) -> None:
    chunks = make(stored)
    read = await asyncio.gather(*(chunks.chunk("i", 1) for _ in range(50)))
    assert set(read) == {b"\1" * 10}
    assert stored.read == [1]


async def test_the_most_recently_served_chunks_stay_in_memory(stored: Chunks) -> None:
    chunks = make(stored)
    for number in (0, 1, 0, 2, 0, 1):
        await chunks.chunk("i", number)
    assert stored.read == [0, 1, 2, 1]
    assert chunks._size == 20


async def test_a_cancelled_read_of_a_chunk_does_not_cancel_that_of_others(stored: Chunks) -> None:
    chunks = make(stored)
    leaving, staying = (asyncio.create_task(chunks.chunk("i", 0)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == b"\0" * 10


async def test_a_missing_image_or_chunk_and_a_wrong_size_are_errors(stored: Chunks) -> None:
    chunks = make(stored)
    assert await chunks.chunk_size("i", 25) == 10
    with pytest.raises(StoreUnavailableError, match="no image j"):
        await chunks.chunk_size("j", 25)
    with pytest.raises(StoreUnavailableError, match="25 bytes, not 26"):
        await make(stored).chunk_size("i", 26)
    with pytest.raises(StoreUnavailableError, match="chunk 3 of image i is missing"):
        await chunks.chunk("i", 3)


async def test_a_failure_is_not_cached(stored: Chunks) -> None:
    chunks = make(stored)
    stored.failure = AutoReconnect("away")
    with pytest.raises(StoreUnavailableError, match="away"):
        await chunks.chunk("i", 0)
    stored.failure = None
    assert await chunks.chunk("i", 0) == b"\0" * 10


async def test_an_envelope_is_read_whole_and_not_kept_in_the_place_of_chunks(stored: Chunks) -> None:
    images = make(stored)
    assert await images.envelope("i") == b"\0" * 10 + b"\1" * 10 + b"\2" * 10
    assert images._size == 0
    assert await images.envelope("j") is None
    stored.failure = AutoReconnect("away")
    with pytest.raises(StoreUnavailableError):
        await images.envelope("i")

"""Images and their chunks; only MongoDB is a fake."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluice_lwm2m.adapters.images import GridFsImageStore

CHUNK = 1_024
THEN = datetime(2026, 1, 1, tzinfo=UTC)


class Collection:
    """Finds one document by what it must hold."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.queries = 0

    async def find_one(
        self, query: Mapping[str, Any], _fields: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any] | None:
        """Return a document."""
        self.queries += 1
        return next((d for d in self.documents if query.items() <= d.items()), None)


class Bucket:
    """A bucket and a store that keeps two and a half chunks of it."""

    def __init__(self) -> None:
        self.files, self.chunks = Collection(), Collection()
        self.store = GridFsImageStore(self.files, self.chunks, 5 * CHUNK // 2)

    def put(self, image_id: str, data: bytes, *, chunk_size: int = CHUNK, at: datetime = THEN) -> None:
        """Store an image."""
        file = {"_id": image_id, "length": len(data), "chunkSize": chunk_size, "uploadDate": at}
        self.files.documents.append(file)
        for number, start in enumerate(range(0, len(data), chunk_size)):
            part = {"files_id": image_id, "n": number, "data": data[start : start + chunk_size]}
            self.chunks.documents.append(part)


async def test_a_chunk_is_read_by_its_number_and_kept() -> None:
    bucket = Bucket()
    bucket.put("i", b"a" * CHUNK + b"b" * CHUNK + b"c")
    assert bucket.store.image("i") is None
    assert await bucket.store.load_image("i")
    assert bucket.store.chunk("i", 2) is None
    assert await bucket.store.load_chunk("i", 2)
    assert (bucket.store.chunk("i", 2), bucket.store.chunk("i", 0)) == (b"c", None)
    assert (bucket.files.queries, bucket.chunks.queries) == (1, 1)


async def test_memory_holds_the_chunks_that_were_served_last() -> None:
    bucket = Bucket()
    bucket.put("i", bytes(4 * CHUNK))
    assert await bucket.store.load_image("i")
    for number in (0, 1):
        assert await bucket.store.load_chunk("i", number)
    assert bucket.store.chunk("i", 0)
    assert await bucket.store.load_chunk("i", 2)
    assert [bucket.store.chunk("i", number) is not None for number in range(3)] == [True, False, True]


async def test_a_chunk_that_is_larger_than_the_memory_is_kept_until_the_next() -> None:
    bucket = Bucket()
    bucket.put("i", bytes(8 * CHUNK), chunk_size=4 * CHUNK)
    assert await bucket.store.load_image("i")
    for number in (0, 1):
        assert await bucket.store.load_chunk("i", number)
        assert bucket.store.chunk("i", number)
    assert bucket.store.chunk("i", 0) is None


async def test_an_empty_image_has_one_empty_chunk() -> None:
    bucket = Bucket()
    bucket.put("i", b"")
    assert await bucket.store.load_image("i")
    assert await bucket.store.load_chunk("i", 0)
    assert bucket.store.chunk("i", 0) == b""


async def test_a_missing_image_and_a_missing_or_short_chunk_are_not_served() -> None:
    bucket = Bucket()
    bucket.put("i", bytes(2 * CHUNK))
    bucket.chunks.documents[0]["data"] = bytes(CHUNK - 1)
    del bucket.chunks.documents[1]
    assert not await bucket.store.load_image("another")
    assert not await bucket.store.load_chunk("another", 0)
    assert await bucket.store.load_image("i")
    assert not await bucket.store.load_chunk("i", 0)
    assert not await bucket.store.load_chunk("i", 1)


async def test_an_image_in_chunks_that_cut_blocks_is_not_served() -> None:
    bucket = Bucket()
    bucket.put("i", bytes(3_000), chunk_size=1_000)
    assert not await bucket.store.load_image("i")


async def test_an_image_stored_again_has_another_etag() -> None:
    names = set()
    for at in (THEN, THEN, THEN.replace(hour=1)):
        bucket = Bucket()
        bucket.put("i", b"x", at=at)
        assert await bucket.store.load_image("i")
        image = bucket.store.image("i")
        assert image is not None
        names.add(image.options_before)
    assert len(names) == 2


async def test_an_image_stored_again_while_it_is_served_is_read_again() -> None:
    bucket = Bucket()
    bucket.put("i", bytes(2 * CHUNK))
    assert await bucket.store.load_image("i")
    bucket.files.documents.clear()
    bucket.chunks.documents.clear()
    bucket.put("i", bytes(CHUNK + 1))
    assert not await bucket.store.load_chunk("i", 1)
    assert bucket.store.image("i") is None
    assert await bucket.store.load_image("i")
    assert await bucket.store.load_chunk("i", 1)

"""Uploads and images in GridFS, in batches of a few chunks; an image appears as a whole or not at all.

The driver's own streams read and write far more at a time: 48 MB are gathered before they are written, and a server may
answer with a hundred chunks at once. The layout is the same (GridFS specification, "Data Model").
"""

import asyncio
import contextlib
import io
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from bson import ObjectId
from gridfs.errors import NoFile

from sluice_common.mongo import IMAGE_BUCKET, PACKAGE_BUCKET, SIGNATURE_TOOL, TOOLS, Database, bucket
from sluice_common.tokens import ENVELOPE_SUFFIX
from sluice_signing.adapters import signtool
from sluice_signing.domain.errors import TooBigError, UploadMissingError
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import MANIFEST_NAME
from sluice_signing.domain.verdict import Accepted

CHUNK_BYTES: Final = 255 * 1024
"""Bytes of one chunk of an image, GridFS's default; gateways keep chunks in memory, so they are small."""
WRITTEN_CHUNKS: Final = 4
"""Most chunks of an image in memory at a time."""
READ_CHUNKS: Final = 4
"""Most chunks of an upload in memory at a time; these are of up to 1 MiB."""


class PackageStore:
    """The two buckets: zips that users uploaded, and images for devices."""

    def __init__(self, database: Database, limits: PackageLimits) -> None:
        self._database = database
        self._images = bucket(database, IMAGE_BUCKET)
        self._image_files = database[f"{IMAGE_BUCKET}.files"]
        self._limits = limits

    async def prepare(self) -> None:
        """Make the index that GridFS needs (GridFS specification, "Indexes")."""
        await self._database[f"{IMAGE_BUCKET}.chunks"].create_index([("files_id", 1), ("n", 1)], unique=True)

    async def fetch(self, package_id: str, into: BinaryIO) -> None:
        """Copy an uploaded zip into a file.

        Raises:
            UploadMissingError: It is not there, or parts of it are missing.
            TooBigError: It is larger than packages may be; nothing is copied.
        """
        upload = await self._database[f"{PACKAGE_BUCKET}.files"].find_one({"_id": package_id})
        if upload is None:
            raise UploadMissingError
        length, limit = upload["length"], self._limits.max_archive_bytes
        if length > limit:
            raise TooBigError(part="zip", size=length, limit=limit)
        for first in range(0, -(-length // upload["chunkSize"]), READ_CHUNKS):
            for data in await self._chunks(package_id, first):
                await asyncio.to_thread(into.write, data)
        if into.tell() != length:
            raise UploadMissingError
        into.flush()

    async def _chunks(self, package_id: str, first: int) -> list[bytes]:
        """Return the next few chunks; a query for each batch, so that no server holds a gigabyte for a cursor."""
        wanted = {"files_id": package_id, "n": {"$gte": first, "$lt": first + READ_CHUNKS}}
        found = await self._database[f"{PACKAGE_BUCKET}.chunks"].find(wanted).to_list(READ_CHUNKS)
        return [chunk["data"] for chunk in sorted(found, key=lambda chunk: int(chunk["n"]))]

    async def put_image(self, image_id: str, image: BinaryIO, verdict: Accepted) -> None:
        """Store a verified image, behind the envelope that signs it; one that is there is left alone.

        Left-overs of an attempt that was cut short are removed first.
        """
        if await self._has_image(image_id, verdict):
            return
        envelope = {"filename": MANIFEST_NAME, "length": len(verdict.envelope)}
        await self._write_file(image_id + ENVELOPE_SUFFIX, io.BytesIO(verdict.envelope), envelope)
        metadata = {"name": verdict.image_name, "sha256": verdict.image_sha256}
        found = {"filename": verdict.image_name, "length": verdict.image_size, "metadata": metadata}
        await self._write_file(image_id, image, found)

    async def _write_file(self, file_id: str, content: BinaryIO, file: dict[str, Any]) -> None:
        with contextlib.suppress(NoFile):  # chunks without a file are deleted all the same
            await self._images.delete(file_id)
        await self._write_chunks(file_id, content)
        at = {"_id": file_id, "chunkSize": CHUNK_BYTES, "uploadDate": datetime.now(UTC)}
        await self._image_files.insert_one(at | file)

    async def _write_chunks(self, image_id: str, image: BinaryIO) -> None:
        chunks = self._database[f"{IMAGE_BUCKET}.chunks"]
        image.seek(0)
        number = 0
        while data := await asyncio.to_thread(image.read, WRITTEN_CHUNKS * CHUNK_BYTES):
            batch: list[dict[str, Any]] = [
                {"_id": ObjectId(), "files_id": image_id, "n": n, "data": data[start : start + CHUNK_BYTES]}
                for n, start in enumerate(range(0, len(data), CHUNK_BYTES), number)
            ]
            await chunks.insert_many(batch)
            number += len(batch)

    async def _has_image(self, image_id: str, verdict: Accepted) -> bool:
        found = await self._image_files.find_one({"_id": image_id})
        return found is not None and (
            found["length"] == verdict.image_size and found["metadata"]["sha256"] == verdict.image_sha256
        )


async def publish_tool(database: Database) -> None:
    """Put the offline tool of this version where the API offers it for download (R040)."""
    content = await asyncio.to_thread(signtool.build)
    tool = {"content": content, "sha256": signtool.sha256(content)}
    await database[TOOLS].replace_one({"_id": SIGNATURE_TOOL}, tool, upsert=True)

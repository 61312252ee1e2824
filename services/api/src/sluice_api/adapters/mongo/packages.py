"""Packages: metadata and the uploaded zip in GridFS."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from bson import ObjectId
from gridfs import AsyncGridFSBucket
from gridfs.errors import NoFile

from sluice_api.adapters.mongo.collections import PACKAGES, UPLOADS, Filter
from sluice_api.adapters.mongo.outbox import no_hint, with_messages
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import NotFoundError
from sluice_api.domain.models import Package, PackageFilter, PackageStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.mongo import IMAGE_BUCKET, PACKAGE_BUCKET, Database, bucket
from sluice_common.tokens import ENVELOPE_SUFFIX

CODEC = RecordCodec(Package, "package_id")
_CHUNK_BYTES = 1024 * 1024


class Upload:
    """A file on its way into GridFS, one chunk of it in memory; leaving it without `keep` leaves nothing behind.

    While it lasts it has an entry in `UPLOADS`, by which `AbandonedUploads` finds what is left if the process dies.
    The driver's own writer gathers 48 MB before it writes and needs three times that; the layout is the same
    (GridFS specification, "Data Model").
    """

    def __init__(self, database: Database, file_id: str, app_id: str, at: datetime) -> None:
        self._files = database[f"{PACKAGE_BUCKET}.files"]
        self._chunks = database[f"{PACKAGE_BUCKET}.chunks"]
        self._uploads = database[UPLOADS]
        self._file = {"_id": file_id, "filename": file_id, "uploadDate": at, "metadata": {"app_id": app_id}}
        self._pending = bytearray()
        self._written = 0
        self._kept = False

    async def __aenter__(self) -> Self:
        await self._uploads.insert_one({"_id": self._file["_id"], "began_at": self._file["uploadDate"]})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if not self._kept:
            await self._chunks.delete_many({"files_id": self._file["_id"]})
        await self._uploads.delete_one({"_id": self._file["_id"]})

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        self._pending += data
        while len(self._pending) >= _CHUNK_BYTES:
            await self._write_chunk()

    async def keep(self) -> None:
        """Complete the file."""
        length = self._written * _CHUNK_BYTES + len(self._pending)
        if self._pending:
            await self._write_chunk()
        await self._files.insert_one(self._file | {"length": length, "chunkSize": _CHUNK_BYTES})
        self._kept = True

    async def _write_chunk(self) -> None:
        data = bytes(self._pending[:_CHUNK_BYTES])
        del self._pending[:_CHUNK_BYTES]
        await self._chunks.insert_one(
            {"_id": ObjectId(), "files_id": self._file["_id"], "n": self._written, "data": data}
        )
        self._written += 1


class Packages(TenantRepository[Package, PackageFilter]):
    """The packages.

    Args:
        database: The database.
        hint: Called when a message waits for the relay.
    """

    def __init__(self, database: Database, hint: Callable[[], None] = no_hint) -> None:
        super().__init__(database, PACKAGES, CODEC, "package")
        self._hint = hint
        self._files = bucket(database, PACKAGE_BUCKET)
        self._images = bucket(database, IMAGE_BUCKET)

    def _query(self, wanted: PackageFilter) -> Filter:
        query = super()._query(wanted)
        if wanted.status is PackageStatus.DELETING:
            del query["status"]
            return query | {"deleting": True}
        return query | ({"deleting": {"$ne": True}} if wanted.status else {})

    def upload(self, package_id: str, app_id: str, at: datetime) -> Upload:
        """Begin the file of a package."""
        return Upload(self._database, package_id, app_id, at)

    async def add(self, package: Package, message: OutboxMessage) -> None:
        """Store a package whose file is there, together with its message.

        Raises:
            ConflictError: It exists already.
        """
        document = with_messages(CODEC.document(package), package.created_at, message)
        await self._insert(document, "The package exists already.")
        self._hint()

    async def content(self, package_id: str) -> AsyncIterator[bytes]:
        """Return the uploaded zip piece by piece.

        Raises:
            NotFoundError: The file is gone.
        """
        try:
            stream = await self._files.open_download_stream(package_id)
        except NoFile as error:
            raise NotFoundError("file of package", package_id) from error

        async def pieces() -> AsyncIterator[bytes]:
            while piece := await stream.readchunk():
                yield piece

        return pieces()

    async def set_deleting(self, package_id: str, *, deleting: bool) -> None:
        """Note that the deletion of a package has begun, or was refused."""
        await self._documents.update_one({"_id": package_id}, {"$set" if deleting else "$unset": {"deleting": True}})

    async def delete_files(self, package: Package) -> None:
        """Delete the zip and the image of a package; they may be gone already."""
        if package.image_id:
            await delete_image(self._images, package.image_id)
        await delete_file(self._files, package.package_id)


async def delete_image(images: AsyncGridFSBucket, image_id: str) -> None:
    """Delete an image and the envelope that signs it; they may be gone already."""
    await delete_file(images, image_id)
    await delete_file(images, image_id + ENVELOPE_SUFFIX)


async def delete_file(files: AsyncGridFSBucket, file_id: str) -> None:
    """Delete a file; it may be gone already."""
    try:
        await files.delete(file_id)
    except NoFile:
        return

"""Packages: metadata and the uploaded zip in GridFS."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from bson import ObjectId
from gridfs import AsyncGridFSBucket
from gridfs.errors import NoFile

from sluice_api.adapters.mongo.collections import PACKAGES, TASKS, UPLOADS, Document
from sluice_api.adapters.mongo.outbox import with_messages
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import MAX_NAMED, ConflictError, NamedTask, NotFoundError
from sluice_api.domain.outbox import entry
from sluice_api.domain.tasks import UNDER_WAY
from sluice_common.messages.package_events import PackageUploaded, PublicKeyRef
from sluice_common.mongo import IMAGE_BUCKET, PACKAGE_BUCKET, Database, bucket
from sluice_common.topics import PACKAGE_EVENTS

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


class Packages(TenantRepository):
    """The packages."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, PACKAGES, "package")
        self._files = bucket(database, PACKAGE_BUCKET)
        self._images = bucket(database, IMAGE_BUCKET)

    def upload(self, package_id: str, app_id: str, at: datetime) -> Upload:
        """Begin the file of a package."""
        return Upload(self._database, package_id, app_id, at)

    async def create(
        self, package: Document, keys: tuple[PublicKeyRef, ...], at: datetime, traceparent: str | None
    ) -> Document:
        """Store a package whose file is there, together with the request to verify it."""
        message = PackageUploaded(
            app_id=package["app_id"],
            occurred_at=at,
            traceparent=traceparent,
            package_id=package["_id"],
            file_size=package["file_size"],
            public_keys=keys,
        )
        document = package | {"status": "VERIFYING", "created_at": at}
        return await self.insert(
            with_messages(document, at, entry(PACKAGE_EVENTS, package["_id"], message)), "The package exists already."
        )

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

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a package with zip and image; repeating it completes what was cut short.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: Tasks that are under way need it; it names them.
        """
        package = await self.get(app_id, identifier)
        await self._require_unused(identifier)
        await self._close(identifier)
        if image_id := package.get("image_id"):
            await delete_file(self._images, image_id)
        await delete_file(self._files, identifier)
        await super().delete(app_id, identifier)

    async def _close(self, identifier: str) -> None:
        """Let no task begin with a package any more, then look once more for those under way.

        The first look, before this, keeps a package open that has tasks: theirs may be about to begin.
        """
        await self._documents.update_one({"_id": identifier}, {"$set": {"deleting": True}})
        try:
            await self._require_unused(identifier)
        except ConflictError:
            await self._documents.update_one({"_id": identifier}, {"$unset": {"deleting": True}})
            raise

    async def _require_unused(self, package_id: str) -> None:
        if tasks := await self._tasks_of(package_id):
            raise package_in_use(tasks)

    async def _tasks_of(self, package_id: str) -> list[Document]:
        """Return tasks under way that use a package, at most `MAX_NAMED`."""
        found: list[Document] = []
        for status in UNDER_WAY:
            using = {"package_id": package_id, "status": status.value}
            left = MAX_NAMED - len(found)
            if left:
                found += await self._database[TASKS].find(using, {"name": 1, "status": 1}).limit(left).to_list(None)
        return found


def package_in_use(tasks: Sequence[Document]) -> ConflictError:
    """Return the error that names the tasks that use a package."""
    named = [NamedTask(t["_id"], t["name"], t["status"]) for t in tasks]
    return ConflictError("package_in_use", "Tasks that are under way use the package; stop them first.", tasks=named)


async def delete_file(files: AsyncGridFSBucket, file_id: str) -> None:
    """Delete a file; it may be gone already."""
    try:
        await files.delete(file_id)
    except NoFile:
        return

"""Uploads that have begun, and the files that they have left."""

from datetime import datetime

from sluice_api.adapters.mongo.collections import PACKAGES, UPLOADS
from sluice_common.mongo import PACKAGE_BUCKET, Database


class MongoUploadStore:
    """Uploads that have begun and not ended, and their files."""

    def __init__(self, database: Database) -> None:
        self._uploads = database[UPLOADS]
        self._packages = database[PACKAGES]
        self._chunks = database[f"{PACKAGE_BUCKET}.chunks"]
        self._files = database[f"{PACKAGE_BUCKET}.files"]

    async def begun_before(self, at: datetime) -> list[str]:
        """Return the ids of uploads that began before a time."""
        found = await self._uploads.find({"began_at": {"$lt": at}}, {"_id": 1}).to_list(None)
        return [upload["_id"] for upload in found]

    async def has_package(self, upload_id: str) -> bool:
        """Return whether the package of an upload was stored."""
        return await self._packages.find_one({"_id": upload_id}, {"_id": 1}) is not None

    async def delete_file(self, upload_id: str) -> int:
        """Delete the file of an upload; return how many chunks it had."""
        deleted = await self._chunks.delete_many({"files_id": upload_id})
        await self._files.delete_one({"_id": upload_id})
        return deleted.deleted_count

    async def forget(self, upload_id: str) -> None:
        """Delete the entry of an upload."""
        await self._uploads.delete_one({"_id": upload_id})

"""What uploads leave behind whose process died: pieces of a file, or a file without a package."""

from datetime import datetime, timedelta

import structlog

from sluice_api.adapters.mongo.collections import PACKAGES, UPLOADS, Document
from sluice_common.mongo import PACKAGE_BUCKET, Database

_log = structlog.get_logger()
_ABANDONED = timedelta(days=1)
"""After this an upload counts as dead; one that takes longer loses its file and is rejected by verification."""


class AbandonedUploads:
    """Deletes them, a day later."""

    def __init__(self, database: Database) -> None:
        self._uploads = database[UPLOADS]
        self._packages = database[PACKAGES]
        self._chunks = database[f"{PACKAGE_BUCKET}.chunks"]
        self._files = database[f"{PACKAGE_BUCKET}.files"]

    async def clear(self, now: datetime) -> None:
        """Delete what is old enough; may be interrupted and repeated."""
        for upload in await self._uploads.find({"began_at": {"$lt": now - _ABANDONED}}).to_list(None):
            if await self._packages.find_one({"_id": upload["_id"]}, {"_id": 1}) is None:
                await self._delete_file(upload)
            await self._uploads.delete_one({"_id": upload["_id"]})

    async def _delete_file(self, upload: Document) -> None:
        deleted = await self._chunks.delete_many({"files_id": upload["_id"]})
        await self._files.delete_one({"_id": upload["_id"]})
        _log.info("upload_cleared", package_id=upload["_id"], chunks=deleted.deleted_count)

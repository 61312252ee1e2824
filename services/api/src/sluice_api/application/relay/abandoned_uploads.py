"""What uploads leave behind whose process died: pieces of a file, or a file without a package."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

_log = structlog.get_logger()
_ABANDONED = timedelta(days=1)
"""After this an upload counts as dead; one that takes longer loses its file and is rejected by verification."""


class UploadStore(Protocol):
    """Uploads that have begun and not ended, and their files. An upload, its file and its package have one id."""

    async def begun_before(self, at: datetime) -> Sequence[str]:
        """Return the ids of uploads that began before a time."""
        ...

    async def has_package(self, upload_id: str) -> bool:
        """Return whether the package of an upload was stored."""
        ...

    async def delete_file(self, upload_id: str) -> int:
        """Delete the file of an upload; return how many chunks it had."""
        ...

    async def forget(self, upload_id: str) -> None:
        """Delete the entry of an upload."""
        ...


class AbandonedUploads:
    """Deletes them, a day later."""

    def __init__(self, store: UploadStore) -> None:
        self._store = store

    async def clear(self, now: datetime) -> None:
        """Delete what is old enough; may be interrupted and repeated."""
        for upload_id in await self._store.begun_before(now - _ABANDONED):
            if not await self._store.has_package(upload_id):
                chunks = await self._store.delete_file(upload_id)
                _log.info("upload_cleared", package_id=upload_id, chunks=chunks)
            await self._store.forget(upload_id)

"""What uploads leave behind whose process died: pieces of a file, or a file without a package."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from sluice_api.application.relay.units import Units

_log = structlog.get_logger()
_ABANDONED = timedelta(days=1)
"""After this an upload counts as dead; one that takes longer loses its file and is rejected by verification."""

_PAUSE = timedelta(hours=1)
"""Between two looks; the first is at the start."""


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
    """Deletes what uploads have left, a day later.

    Args:
        store: Uploads and their files.
        now: UTC time.
    """

    def __init__(self, store: UploadStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._clear_at = now()
        self._units = Units("upload_not_cleared", "package_id")

    async def clear_when_due(self) -> bool:
        """Delete what is old enough, once per hour; return that nothing further is due."""
        if self._now() >= self._clear_at:
            await self._clear()
            self._clear_at = self._now() + _PAUSE
        return False

    async def _clear(self) -> None:
        """Delete what is old enough; may be interrupted and repeated."""
        for upload_id in await self._store.begun_before(self._now() - _ABANDONED):
            await self._units.attempt(upload_id, partial(self._clear_one, upload_id))

    async def _clear_one(self, upload_id: str) -> None:
        if not await self._store.has_package(upload_id):
            chunks = await self._store.delete_file(upload_id)
            _log.info("upload_cleared", package_id=upload_id, chunks=chunks)
        await self._store.forget(upload_id)

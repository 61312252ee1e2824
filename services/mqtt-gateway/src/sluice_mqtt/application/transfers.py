"""Sends images to devices, and finds out when a device has all of one (R102)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from sluice_mqtt.application.download_reports import DownloadReporter
from sluice_mqtt.application.idle_timeout import Outgoing, idle_timeout
from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.application.ports import Images, StoreUnavailableError
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.downloads import DownloadPermission, Image
from sluice_mqtt.domain.ranges import Slice

_log = structlog.get_logger()
_FIRST_LOOK, _LAST_LOOK, _LAST_IDLE_LOOK = 0.05, 2.0, 5.0
"""Seconds between two looks at what the kernel still has: least, most, and most for a device that takes nothing."""


class FencedError(Exception):
    """The attempt was closed while its image was being sent."""


class Connection(Outgoing, Protocol):
    """The connection to a device."""

    async def write(self, data: memoryview) -> None:
        """Send bytes of the image, and count them in `sent` before.

        Raises:
            OSError: The connection has ended.
        """

    async def end(self) -> None:
        """Send what remains to be sent.

        Raises:
            OSError: The connection has ended.
        """

    def empty_buffer(self) -> None:
        """Let `end` wait until the system has all bytes: only of these it is known later whether they arrived."""

    def discard(self) -> None:
        """Let nothing more be sent, not even what the system has taken already."""

    def is_lost(self) -> bool:
        """Return whether what is not acknowledged never will be."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What to send.

    Attributes:
        permission: Whose download it is.
        image: The image.
        part: The bytes to send.
        chunk_size: Bytes of each chunk of the image but the last.
    """

    permission: DownloadPermission
    image: Image
    part: Slice
    chunk_size: int


class Transfers:
    """Sends images, as long as their attempts may download."""

    def __init__(
        self,
        open_downloads: OpenDownloads,
        images: Images,
        reporter: DownloadReporter,
        *,
        idle_timeout: float,
        counters: Counters,
    ) -> None:
        """Prepare.

        Args:
            open_downloads: End those that may not go on.
            images: What is sent.
            reporter: Told of progress and completion.
            idle_timeout: Seconds, twice that at most, after which a device that takes nothing is given up.
            counters: Count bytes.
        """
        self._open_downloads = open_downloads
        self._images = images
        self._reporter = reporter
        self._idle_timeout = idle_timeout
        self._counters = counters

    async def prepare(self, permission: DownloadPermission, image: Image, part: Slice | None) -> Transfer:
        """Return what to send: a part of an image, or all of it.

        Raises:
            StoreUnavailableError: The image cannot be read.
        """
        try:
            chunk_size = await self._images.chunk_size(image.image_id, image.size)
        except StoreUnavailableError as error:
            _log.warning("image_not_read", image_id=image.image_id, reason=str(error))
            raise
        return Transfer(permission, image, part or Slice(0, image.size), chunk_size)

    async def envelope(self, image: Image) -> bytes | None:
        """Return the envelope that signs an image, None if there is none: it was verified before there were any.

        Raises:
            StoreUnavailableError: It cannot be read.
        """
        return await self._images.envelope(image.image_id)

    async def send(self, transfer: Transfer, connection: Connection) -> None:
        """Send the bytes, and report when they were the last that the device lacked.

        Raises:
            FencedError: The attempt was closed.
            TimeoutError: The device took nothing for too long.
            StoreUnavailableError: The image cannot be read.
            OSError: The connection has ended.
        """
        permission, part = transfer.permission, transfer.part
        try:
            async with asyncio.timeout(None) as limit:
                with self._open_downloads.under_way(permission, transfer.image, lambda: _end_now(limit)):
                    if not self._open_downloads.is_open(permission, transfer.image):
                        raise FencedError("the attempt was closed meanwhile")
                    await self._send_in_time(transfer, connection)
        except (TimeoutError, OSError):
            if self._open_downloads.is_open(permission, transfer.image):
                raise
            connection.discard()
            raise FencedError("the attempt is closed") from None
        finally:
            permission.progress.mark_sent(part.first, part.first + connection.sent)

    async def _send_in_time(self, transfer: Transfer, connection: Connection) -> None:
        permission = transfer.permission
        async with idle_timeout(connection, self._idle_timeout, lambda: self._reporter.report_progress(permission)):
            await self._send(transfer, connection)

    async def _send(self, transfer: Transfer, connection: Connection) -> None:
        part = transfer.part
        await self._write(transfer, connection)
        is_rest = transfer.permission.progress.is_rest(part.first, part.end, transfer.image.size)
        if is_rest:
            connection.empty_buffer()
        await connection.end()
        if is_rest:
            await _wait_received(connection)
            self._reporter.report_completion(transfer.permission)

    async def _write(self, transfer: Transfer, connection: Connection) -> None:
        async for piece in self._pieces(transfer):
            await connection.write(piece)
            self._counters[Counted.BYTES_SERVED] += len(piece)
            self._reporter.report_progress(transfer.permission)

    async def _pieces(self, transfer: Transfer) -> AsyncIterator[memoryview]:
        part, size = transfer.part, transfer.chunk_size
        for number in range(part.first // size, -(-part.end // size)):
            chunk = memoryview(await self._images.chunk(transfer.image.image_id, number))
            yield chunk[max(part.first - number * size, 0) : part.end - number * size]


async def _wait_received(connection: Connection) -> None:
    """Return when the device has acknowledged the last byte; it may have left by then.

    Raises:
        ConnectionResetError: It left without it.
    """
    pause, before = _FIRST_LOOK, connection.unacknowledged()
    while left := connection.unacknowledged():
        if connection.is_lost():
            raise ConnectionResetError("the device left before it had the last byte")
        pause, before = until_next_look(pause, before, left), left
        await asyncio.sleep(pause)


def until_next_look(pause: float, before: int, left: int) -> float:
    """Return in how many seconds to look again at what the kernel still has: it tells nobody when that is gone.

    Args:
        pause: Seconds since the look before.
        before: Bytes that were left then.
        left: Bytes that are left now.

    Returns:
        Half of the time that the rest will take at this pace; twice the pause for a device that takes nothing.
    """
    if left < before:
        return min(max(_FIRST_LOOK, pause * left / (before - left) / 2), _LAST_LOOK)
    return min(2 * pause, _LAST_IDLE_LOOK)


def _end_now(limit: asyncio.Timeout) -> None:
    with suppress(RuntimeError):  # it is ending by itself
        limit.reschedule(asyncio.get_running_loop().time())

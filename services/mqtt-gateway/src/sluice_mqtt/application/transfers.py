"""Sends images to devices, and finds out when a device has all of one (R102)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from sluice_mqtt.application.download_access import DownloadAccess
from sluice_mqtt.application.download_reports import DownloadReporter
from sluice_mqtt.application.idle_timeout import Outgoing, idle_timeout
from sluice_mqtt.application.ports import Images, StoreUnavailableError
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.downloads import DownloadPermission, Image
from sluice_mqtt.domain.ranges import Slice

_log = structlog.get_logger()
_POLL = 0.05


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
        access: DownloadAccess,
        images: Images,
        reporter: DownloadReporter,
        *,
        idle_timeout: float,
        counters: Counters,
    ) -> None:
        """Prepare.

        Args:
            access: Asked before every chunk.
            images: What is sent.
            reporter: Told of progress and completion.
            idle_timeout: Seconds, twice that at most, after which a device that takes nothing is given up.
            counters: Count bytes.
        """
        self._access = access
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
            async with idle_timeout(connection, self._idle_timeout, lambda: self._reporter.report_progress(permission)):
                await self._send(transfer, connection)
        finally:
            permission.progress.mark_sent(part.first, part.first + connection.sent)

    async def _send(self, transfer: Transfer, connection: Connection) -> None:
        part = transfer.part
        await self._write(transfer, connection)
        is_rest = transfer.permission.progress.is_rest(part.first, part.end, transfer.image.size)
        if is_rest:
            connection.empty_buffer()
        await connection.end()
        if is_rest:
            await self._wait_received(transfer, connection)
            self._reporter.report_completion(transfer.permission)

    async def _write(self, transfer: Transfer, connection: Connection) -> None:
        async for piece in self._pieces(transfer):
            self._check_open(transfer)
            await connection.write(piece)
            self._counters[Counted.BYTES_SERVED] += len(piece)
            self._reporter.report_progress(transfer.permission)

    async def _pieces(self, transfer: Transfer) -> AsyncIterator[memoryview]:
        part, size = transfer.part, transfer.chunk_size
        for number in range(part.first // size, -(-part.end // size)):
            chunk = memoryview(await self._images.chunk(transfer.image.image_id, number))
            yield chunk[max(part.first - number * size, 0) : part.end - number * size]

    async def _wait_received(self, transfer: Transfer, connection: Connection) -> None:
        """Return when the device has acknowledged the last byte; it may have left by then.

        Raises:
            ConnectionResetError: It left without it.
            FencedError: The attempt was closed meanwhile.
        """
        while connection.unacknowledged():
            self._check_open(transfer)
            if connection.is_lost():
                raise ConnectionResetError("the device left before it had the last byte")
            await asyncio.sleep(_POLL)

    def _check_open(self, transfer: Transfer) -> None:
        if not self._access.is_open(transfer.permission, transfer.image):
            raise FencedError("the attempt is closed")

"""Downloads over HTTP: images for those who hold the token of a current attempt (R098, R099).

`GET` and `HEAD /downloads/{device_id}/{task_id}/{attempt}/{file_name}` with `Authorization: Bearer {token}`; ranges,
validators and refusals as in RFC 9110. The right is asked again for every chunk, so that a closed attempt ends within
one. 401: no token of ours. 403: a token that gives no right to this. 304 and 412: a condition does not hold. 416:
no such bytes. 503: too many at once, or the store is away.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Container
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from gridfs.errors import GridFSError
from pymongo.errors import PyMongoError

from sluice_common.tokens import ImageToken, InvalidTokenError, TokenSigner
from sluice_mqtt.adapters.device_events import DeviceEvents, download_event
from sluice_mqtt.adapters.images import ImageChunks
from sluice_mqtt.domain.conditions import is_still, unmet
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.permissions import Image, Refusal, Right, Rights
from sluice_mqtt.domain.progress import is_completion, is_last, is_news, note_served
from sluice_mqtt.domain.ranges import Slice, UnsatisfiableError, counts_from_zero, requested
from sluice_mqtt.entrypoints.http.send_queue import SendQueue, patience

_log = structlog.get_logger()
_PATH = "/downloads/{device_id}/{task_id}/{attempt:[0-9]{1,5}}/{file_name}"
_POLL = 0.05
_RETRY_AFTER = "10"


class RefusedError(Exception):
    """The request is refused."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


class FencedError(Exception):
    """The attempt was closed while its image was being served."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What to send."""

    right: Right
    image: Image
    part: Slice
    chunk_size: int


class Downloads:
    """Serves images."""

    def __init__(
        self,
        rights: Rights,
        signer: TokenSigner,
        chunks: ImageChunks,
        events: DeviceEvents,
        *,
        revoked: Container[str],
        max_downloads: int,
        idle_timeout: float,
        offer_wait: float,
        progress_interval: float,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._rights = rights
        self._signer = signer
        self._chunks = chunks
        self._events = events
        self._revoked = revoked
        self._max_downloads = max_downloads
        self._idle_timeout = idle_timeout
        self._offer_wait = offer_wait
        self._progress_interval = progress_interval
        self._counters = counters
        self._clock = clock
        self._active = 0
        self._telling: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """Return the HTTP application."""
        application = web.Application()
        application.router.add_get(_PATH, self._serve)
        return application

    @property
    def active(self) -> int:
        """Downloads that are being served."""
        return self._active

    async def told(self) -> None:
        """Return when the scheduler has been told everything so far."""
        if self._telling:
            await asyncio.wait(self._telling)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._active += 1
        try:
            return await self._answer(request)
        except RefusedError as refused:
            self._counters[Counted.DOWNLOADS_REFUSED] += 1
            _log.info("download_refused", path=request.path[:256], status=refused.status, reason=str(refused))
            return web.Response(status=refused.status, headers=refused.headers)
        finally:
            self._active -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._active > self._max_downloads:
            raise RefusedError(503, "too many at once", {"Retry-After": _RETRY_AFTER})
        right, image = await self._right(request)
        _check_conditions(request, image)
        part = _requested(request, image, right)
        try:
            chunk_size = await self._chunks.chunk_size(image.image_id, image.size)
        except (GridFSError, PyMongoError) as error:
            _log.warning("image_not_read", image_id=image.image_id, reason=str(error))
            raise RefusedError(503, "the store is away", {"Retry-After": _RETRY_AFTER}) from error
        response = _begin(image, part)
        if request.method == "HEAD":
            return response
        await self._send(request, response, _Job(right, image, part or Slice(0, image.size), chunk_size))
        return response

    async def _right(self, request: web.Request) -> tuple[Right, Image]:
        token = self._token(request)
        match = request.match_info
        if (match["device_id"], match["task_id"], match["attempt"]) != (
            token.device_id,
            token.task_id,
            str(token.attempt),
        ):
            raise RefusedError(403, "the token is for another download")
        verdict = self._rights.judge(token, self._clock())
        waited = 0.0
        while verdict is Refusal.UNKNOWN and waited < self._offer_wait:
            await asyncio.sleep(_POLL)
            waited += _POLL
            verdict = self._rights.judge(token, self._clock())
        if isinstance(verdict, Refusal):
            raise RefusedError(403, verdict.value)
        if verdict.image is None or verdict.image.image_id in self._revoked:
            raise RefusedError(403, "revoked")
        return verdict, verdict.image

    def _token(self, request: web.Request) -> ImageToken:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        challenge = {"WWW-Authenticate": "Bearer"}
        if scheme.lower() != "bearer":
            raise RefusedError(401, "no token", challenge)
        try:
            return self._signer.verify(text.strip())
        except InvalidTokenError as error:
            raise RefusedError(401, str(error), challenge) from error

    async def _send(self, request: web.Request, response: web.StreamResponse, job: _Job) -> None:
        """Send the bytes; a download that cannot go on is cut off, so that the device sees that bytes are missing."""
        self._counters[Counted.DOWNLOADS] += 1
        try:
            with closing(_queue(request)) as queue:
                await response.prepare(request)
                async with patience(queue, self._idle_timeout, lambda: self._tell_progress(job.right)):
                    await self._serve_all(response, job, queue)
        except (FencedError, GridFSError, PyMongoError, TimeoutError, OSError) as error:
            self._cut(request, job.right, error)

    async def _serve_all(self, response: web.StreamResponse, job: _Job, queue: SendQueue) -> None:
        """Send the bytes, and tell when they were the last that the device lacked."""
        right, part, size = job.right, job.part, job.image.size
        try:
            await self._write(response, job, queue)
            is_rest = is_last(right, part.first, part.end, size)
            if is_rest:
                queue.empty_buffer()
            await response.write_eof()
            if is_rest:
                await self._received(job, queue)
                if is_completion(right):
                    self._tell(right, is_complete=True)
        finally:
            note_served(right, part.first, part.first + queue.sent)

    async def _write(self, response: web.StreamResponse, job: _Job, queue: SendQueue) -> None:
        async for piece in self._pieces(job):
            self._check(job)
            queue.sent += len(piece)  # also if the connection breaks now: part of it may arrive
            await response.write(piece)
            self._counters[Counted.BYTES_SERVED] += len(piece)
            self._tell_progress(job.right)

    async def _received(self, job: _Job, queue: SendQueue) -> None:
        """Return when the device has the last bytes; it may have left by then.

        Raises:
            ConnectionResetError: It left without them.
            FencedError: The attempt was closed meanwhile.
        """
        while queue.unacknowledged():
            self._check(job)
            if queue.is_lost():
                raise ConnectionResetError("the device left before it had the last byte")
            await asyncio.sleep(_POLL)

    async def _pieces(self, job: _Job) -> AsyncIterator[memoryview]:
        part, size = job.part, job.chunk_size
        for number in range(part.first // size, -(-part.end // size)):
            chunk = memoryview(await self._chunks.chunk(job.image.image_id, number))
            yield chunk[max(part.first - number * size, 0) : part.end - number * size]

    def _check(self, job: _Job) -> None:
        if not self._rights.is_open(job.right) or job.image.image_id in self._revoked:
            raise FencedError("the attempt is closed")

    def _cut(self, request: web.Request, right: Right, error: Exception) -> None:
        counted = Counted.DOWNLOADS_FENCED if isinstance(error, FencedError) else Counted.DOWNLOADS_BROKEN
        self._counters[counted] += 1
        _log.info("download_broken", device_id=right.device_id, reason=str(error) or type(error).__name__)
        transport: Any = request.transport
        if transport is not None:
            transport.abort()

    def _tell_progress(self, right: Right) -> None:
        if is_news(right, self._clock(), self._progress_interval):
            self._tell(right, is_complete=False)

    def _tell(self, right: Right, *, is_complete: bool) -> None:
        """Tell the scheduler; the download does not wait for Kafka."""
        event = download_event(right, self._clock(), is_complete=is_complete)
        task = asyncio.create_task(self._events.publish(right.device_id, [event]))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _queue(request: web.Request) -> SendQueue:
    """Return what is on its way to the device.

    Raises:
        OSError: The device has gone.
    """
    if request.transport is None:
        raise ConnectionResetError("the device has gone")
    return SendQueue(request.transport)


def _check_conditions(request: web.Request, image: Image) -> None:
    status = unmet(request.headers.get("If-Match"), request.headers.get("If-None-Match"), image.etag)
    if status is not None:
        raise RefusedError(status, "a condition does not hold", {"ETag": image.etag})


def _requested(request: web.Request, image: Image, right: Right) -> Slice | None:
    """Return the range to serve; None for all. `Range` means something for GET only (RFC 9110 §14.2)."""
    if request.method != "GET" or not is_still(request.headers.get("If-Range"), image.etag):
        return None
    header = request.headers.get("Range")
    if counts_from_zero(header):
        right.is_one_based = False
    try:
        return requested(header, image.size, is_one_based=right.is_one_based)
    except UnsatisfiableError as error:
        raise RefusedError(416, str(error), {"Content-Range": f"bytes */{image.size}"}) from error


def _begin(image: Image, part: Slice | None) -> web.StreamResponse:
    headers = {"Accept-Ranges": "bytes", "ETag": image.etag, "Cache-Control": "private"}
    if part is not None:
        headers["Content-Range"] = part.content_range(image.size)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    response.content_type = "application/octet-stream"
    response.content_length = image.size if part is None else part.end - part.first
    return response

"""Downloads over HTTP (R098, R099).

`GET` and `HEAD /downloads/{device_id}/{task_id}/{attempt}/{file_name}` with `Authorization: Bearer {token}`; ranges and
validators as in RFC 9110. 401: no token of this platform. 403: the token does not permit this. 304 and 412: a condition
does not hold. 404: the image has no envelope. 416: no such bytes. 503: too many at once, the gateway begins or ends, or
the database cannot answer.

With `.dsse` behind the file name it is the envelope that signs the image, whole, for devices that verify it themselves.

Headers are short: a modem takes 2,303 bytes of a TLS record, which leaves 255 beside a range of 2,048 bytes. So nothing
is said that goes without saying, such as `Cache-Control: private` beside `Authorization` (RFC 9111 §3.5).
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import structlog
from aiohttp import web

from sluice_common.observability import Rarely
from sluice_common.tokens import ENVELOPE_SUFFIX, InvalidTokenError
from sluice_mqtt.application.download_access import DownloadAccess, DownloadDeniedError, NotReadyError
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.application.transfers import FencedError, Transfer, Transfers
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.downloads import DownloadPermission, Image
from sluice_mqtt.domain.ranges import Slice, UnsatisfiableError, counts_from_zero, requested
from sluice_mqtt.entrypoints.http.conditions import allows_range, failed_precondition
from sluice_mqtt.entrypoints.http.device_connection import DeviceConnection, abort

_log = structlog.get_logger()
_PATH = "/downloads/{device_id}/{task_id}/{attempt:[0-9]{1,5}}/{file_name}"
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_RETRY = {"Retry-After": "10"}
_CLOSE = {"Connection": "close"}


class RefusedError(Exception):
    """The request is refused."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


class DownloadServer:
    """Serves images."""

    def __init__(self, access: DownloadAccess, transfers: Transfers, *, max_downloads: int, counters: Counters) -> None:
        """Prepare.

        Args:
            access: Checks tokens.
            transfers: Sends images.
            max_downloads: Downloads served at once; more are asked to come back.
            counters: Count downloads and refusals.
        """
        self._access = access
        self._transfers = transfers
        self._max_downloads = max_downloads
        self._counters = counters
        self._active = 0
        self._is_draining = False
        self._refused, self._broken = Rarely(), Rarely()
        self._ended = asyncio.Event()

    def application(self) -> web.Application:
        """Return the HTTP application."""
        application = web.Application()
        application.router.add_get(_PATH, self._serve)
        application.on_response_prepare.append(_omit_server)
        return application

    @property
    def active(self) -> int:
        """Downloads that are being served."""
        return self._active

    async def drain(self, seconds: float) -> None:
        """Begin no download any more; return when all that are under way have ended, or after so many seconds."""
        self._is_draining = True
        if self._active:
            _log.info("downloads_draining", downloading=self._active)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._active:
                    self._ended.clear()
                    await self._ended.wait()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            with self._admitted():
                return await self._answer(request)
        except RefusedError as refused:
            self._counters[Counted.DOWNLOADS_REFUSED] += 1
            if more := self._refused.count():
                path, status, reason = request.path[:256], refused.status, str(refused)
                _log.info("download_refused", path=path, status=status, reason=reason, count=more)
            return web.Response(status=refused.status, headers=refused.headers)

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._is_draining:
            raise RefusedError(503, "the gateway ends", _RETRY | _CLOSE)
        if self._active >= self._max_downloads:
            raise RefusedError(503, "too many at once", _RETRY)
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            self._ended.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        permission, image = await self._authorize(request)
        if request.match_info["file_name"].endswith(ENVELOPE_SUFFIX):
            return await self._envelope(image)
        status = failed_precondition(request, image.etag)
        if status is not None:
            raise RefusedError(status, "a condition does not hold", {"ETag": f'"{image.etag}"'})
        part = _requested_part(request, image, permission)
        try:
            transfer = await self._transfers.prepare(permission, image, part)
        except StoreUnavailableError as error:
            raise RefusedError(503, "the store is away", _RETRY) from error
        response = _response(image, part)
        if request.method != "HEAD":
            await self._send(request, response, transfer)
        return response

    async def _envelope(self, image: Image) -> web.Response:
        try:
            content = await self._transfers.envelope(image)
        except StoreUnavailableError as error:
            raise RefusedError(503, "the store is away", _RETRY) from error
        if content is None:
            raise RefusedError(404, "no envelope")
        return web.Response(body=content, content_type="application/json")

    async def _authorize(self, request: web.Request) -> tuple[DownloadPermission, Image]:
        path = request.match_info
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedError(401, "no token", _CHALLENGE)
        try:
            return await self._access.authorize(token.strip(), path["device_id"], path["task_id"], path["attempt"])
        except InvalidTokenError as error:
            raise RefusedError(401, str(error), _CHALLENGE) from error
        except DownloadDeniedError as error:
            raise RefusedError(403, str(error)) from error
        except NotReadyError as error:
            raise RefusedError(503, str(error), _RETRY) from error

    async def _send(self, request: web.Request, response: web.StreamResponse, transfer: Transfer) -> None:
        """Send the image; abort the connection if that fails, so that the device sees that bytes are missing."""
        self._counters[Counted.DOWNLOADS] += 1
        try:
            with closing(DeviceConnection(request, response)) as connection:
                await response.prepare(request)
                await self._transfers.send(transfer, connection)
        except (FencedError, StoreUnavailableError, TimeoutError, OSError) as error:
            abort(request)
            counted = Counted.DOWNLOADS_FENCED if isinstance(error, FencedError) else Counted.DOWNLOADS_BROKEN
            self._counters[counted] += 1
            if more := self._broken.count():
                device_id, reason = transfer.permission.device_id, str(error) or type(error).__name__
                _log.info("download_broken", device_id=device_id, reason=reason, count=more)


async def _omit_server(_: web.Request, response: web.StreamResponse) -> None:
    """Keep back the name of the server: 38 bytes that no device needs (RFC 9110 §10.2.4)."""
    response.headers.pop("Server", None)


def _requested_part(request: web.Request, image: Image, permission: DownloadPermission) -> Slice | None:
    """Return the range to serve; None for all. `Range` means something for GET only (RFC 9110 §14.2)."""
    if request.method != "GET" or not allows_range(request, image.etag):
        return None
    header = request.headers.get("Range")
    if counts_from_zero(header):
        permission.is_one_based = False
    try:
        return requested(header, image.size, is_one_based=permission.is_one_based)
    except UnsatisfiableError as error:
        raise RefusedError(416, str(error), {"Content-Range": f"bytes */{image.size}"}) from error


def _response(image: Image, part: Slice | None) -> web.StreamResponse:
    response = web.StreamResponse(status=200 if part is None else 206, headers={"Accept-Ranges": "bytes"})
    response.etag = image.etag
    if part is not None:
        response.headers["Content-Range"] = part.content_range(image.size)
    response.content_type = "application/octet-stream"
    response.content_length = image.size if part is None else part.end - part.first
    return response

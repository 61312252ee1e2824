"""HTTP for operators, on a port of its own: `/metrics`, `/live` and `/ready`.

It runs in the event loop of the process, so that it does not answer where the loop does not go on: a probe's time-out
says so. It serves from before the service starts until after it has ended. What it reads is bounded in size, number
and time: whoever reaches the port can see figures, and do nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sluice_common.operations.loop_lag import measure
from sluice_common.operations.readiness import READINESS
from sluice_common.operations.refreshing import refresh
from sluice_common.settings import CommonSettings
from sluice_common.supervision import ended_work, note_failure, supervised

_MAX_HEAD = 8_192
_MAX_CONNECTIONS = 20
_DEADLINE = 10.0
"""Seconds for a request and its answer."""
_JSON = "application/json"
Answer = tuple[HTTPStatus, str, bytes]
"""Status, media type, body."""


@asynccontextmanager
async def operations(settings: CommonSettings) -> AsyncIterator[None]:
    """Serve operators during the block, if there is a port for it.

    Raises:
        OSError: The port is taken.
    """
    if not settings.metrics_port:
        yield
        return
    connections = _Connections()
    server = await asyncio.start_server(
        connections.serve, settings.metrics_host, settings.metrics_port, limit=_MAX_HEAD
    )
    async with server, supervised() as work:
        measuring = work.repeat("loop_lag_not_measured", measure)
        try:
            yield
        finally:
            measuring.cancel()


class _Connections:
    def __init__(self) -> None:
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        self._open += 1
        try:
            if self._open <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_DEADLINE):
                    writer.write(_response(*await _answer(await reader.readuntil(b"\r\n\r\n"))))
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever it was does not speak HTTP, or has gone
        finally:
            self._open -= 1
            writer.close()


async def _answer(head: bytes) -> Answer:
    method, _, rest = head.partition(b" ")
    handle = _PATHS.get(rest.partition(b" ")[0].partition(b"?")[0])
    if handle is None:
        return HTTPStatus.NOT_FOUND, "text/plain", b"There are /metrics, /live and /ready.\n"
    if method != b"GET":
        return HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET, please.\n"
    try:
        return await handle()
    except Exception as error:  # noqa: BLE001 - the next request may succeed
        note_failure("operators_not_answered", error)
        return HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"See the log.\n"


async def _metrics() -> Answer:
    await refresh()
    return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest()


async def _live() -> Answer:
    return _verdict("live", [f"{name}: {how}" for name, how in ended_work().items()])


async def _ready() -> Answer:
    return _verdict("ready", await READINESS.reasons())


def _verdict(name: str, reasons: list[str]) -> Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return status, _JSON, msgspec.json.encode({name: not reasons, "reasons": reasons}) + b"\n"


def _response(status: HTTPStatus, media_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_PATHS: dict[bytes, Callable[[], Awaitable[Answer]]] = {b"/metrics": _metrics, b"/live": _live, b"/ready": _ready}

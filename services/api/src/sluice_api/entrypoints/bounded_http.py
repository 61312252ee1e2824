"""HTTP/1.1 with limits at the edge: what a client sends before its request is whole costs little, and not for long.

Uvicorn keeps every header of a request and waits for its last one without end. Bodies have their own limits
(`rest.limits`).
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sluice_common.observability import Rarely

_log = structlog.get_logger()
_PER_HEADER = 4
"""Bytes of a header beside its name and value: `: ` and CRLF."""


@dataclass(frozen=True)
class EdgeLimits:
    """What one client may cost.

    Attributes:
        headers: Headers of a request.
        head: Bytes of its request line and headers.
        head_seconds: Seconds from the first byte, or the connection's begin, until all of them have come.
        connections: Connections of one address at once; 0 for any number.
    """

    headers: int
    head: int
    head_seconds: float
    connections: int


class _RefusedError(Exception):
    """A request whose head is over a limit."""


class BoundedHttp(HttpToolsProtocol):
    """One connection; use `bounded` to get the class for uvicorn."""

    limits: ClassVar[EdgeLimits]
    of_address: ClassVar[Counter[str]]
    refused: ClassVar[Rarely]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._unfinished = self._head = self._headers = 0
        self._status = HTTPStatus.BAD_REQUEST
        self._address = ""

    def connection_made(self, transport: Any) -> None:
        """Take a connection, unless its address has too many."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.of_address[self._address] += 1
        if self.limits.connections and self.of_address[self._address] > self.limits.connections:
            self._tell("too_many_connections")
            transport.close()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.of_address[self._address] -= 1
        if not self.of_address[self._address]:
            del self.of_address[self._address]
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._in_head and self._head_timer is None:
            self._await_head()
        if self._unfinished > self.limits.head:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self._unfinished += len(data)
        super().data_received(data)
        if not self._in_head:
            self._unfinished = 0

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head = self._headers = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers += 1
        self._count(len(name) + len(value) + _PER_HEADER)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to serve."""
        self._in_head = False
        self._end_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Await the next request."""
        self._in_head, self._unfinished = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, or is over a limit."""
        self._end_head()
        if self._status is HTTPStatus.BAD_REQUEST:
            super().send_400_response(msg)
        else:
            self._refuse(self._status)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self.limits.head or self._headers > self.limits.headers:
            self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _RefusedError

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer without a body, and hang up."""
        self._end_head()
        if not self.transport.is_closing():
            self._tell(status.name.lower())
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(head.encode())
            self.transport.close()

    def _tell(self, reason: str) -> None:
        if count := self.refused.count():
            _log.warning("connections_refused", reason=reason, address=self._address, count=count)


def bounded(limits: EdgeLimits) -> type[BoundedHttp]:
    """Return the protocol with these limits, for one server."""
    members = {"limits": limits, "of_address": Counter[str](), "refused": Rarely()}
    return type("BoundedHttpOfServer", (BoundedHttp,), members)

"""An image fetched over HTTP/1.1 (RFC 9110, 9112) as devices do it: in one piece or in ranges, hashed by the caller.

An own client, since thousands of downloads must not cost a library's session each. It leaves out redirects, chunked
answers and everything that no download needs.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, SupportsIndex
from urllib.parse import urlsplit

_OK, _PARTIAL = 200, 206
_READ_BYTES: Final = 64 * 1024
_MAX_HEADERS_BYTES: Final = 16 * 1024
_STALL_SECONDS: Final = 30.0
"""A server that is silent for so long has gone."""


class DownloadError(Exception):
    """The image, or the part that was asked for, did not come.

    Attributes:
        status: The HTTP status that said so; 0 if none came.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image is and how this device asks for it.

    Attributes:
        url: `http` or `https`.
        token: Of the header `Authorization`.
        size: Bytes of the image.
        part_bytes: Bytes per ranged GET; 0 for the whole image in one.
        pause: Seconds before each ranged GET but the first.
        one_based: Whether ranges count from 1, as LiteOS's do.
        tls: For `https`; None for the system's trust.
    """

    url: str
    token: str
    size: int
    part_bytes: int = 0
    pause: float = 0.0
    one_based: bool = False
    tls: ssl.SSLContext | None = None


class Piece(NamedTuple):
    """Some bytes of an image.

    Attributes:
        data: The bytes.
        at: When the event loop was given them, monotonic seconds; in a busy process they are read later.
    """

    data: bytes
    at: float


async def download(source: Source, first: int = 0) -> AsyncGenerator[Piece, None]:
    """Yield the image from byte `first` (0 is the first) on, as it comes; use it with `contextlib.aclosing`.

    Raises:
        DownloadError: The server refused, sent something else, or went away.
    """
    try:
        async with _Session(source) as session:
            begin = first
            while begin < source.size:
                if source.part_bytes and begin > first:
                    await asyncio.sleep(source.pause)
                end = min(begin + source.part_bytes, source.size) if source.part_bytes else source.size
                async for piece in session.get(begin, end, ranged=bool(source.part_bytes or first)):
                    yield piece
                begin = end
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
        raise DownloadError(f"{type(error).__name__}: {error}") from error


class _Reader(asyncio.StreamReader):
    """A reader that knows when its newest bytes came."""

    def __init__(self) -> None:
        super().__init__(limit=_MAX_HEADERS_BYTES)
        self.fed_at = 0.0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take bytes from the transport."""
        self.fed_at = asyncio.get_running_loop().time()
        super().feed_data(data)


class _Session:
    """One connection; opened again if the server closes it between two requests."""

    def __init__(self, source: Source) -> None:
        parts = urlsplit(source.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not an HTTP URL")
        self._source = source
        self._host = parts.hostname
        self._tls = (source.tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        self._head = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {source.token}\r\n"
        )
        self._writer: asyncio.StreamWriter | None = None
        self._reader = _Reader()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def get(self, begin: int, end: int, *, ranged: bool) -> AsyncIterator[Piece]:
        """Yield bytes `begin` to `end` (exclusive)."""
        head = self._head
        if ranged:
            shift = int(self._source.one_based)
            head += f"Range: bytes={begin + shift}-{end - 1 + shift}\r\n"
        if self._writer is None:
            await self._open()
        if self._writer is None:
            raise OSError("not connected")
        self._writer.write(f"{head}\r\n".encode())
        status, headers = await self._answer()
        if status != (_PARTIAL if ranged else _OK):
            raise DownloadError(f"HTTP {status}", status)
        left = int(headers.get("content-length", "-1"))
        if left != end - begin:
            raise DownloadError(f"{left} bytes, not {end - begin}", status)
        while left:
            async with asyncio.timeout(_STALL_SECONDS):
                data = await self._reader.read(min(left, _READ_BYTES))
            if not data:
                raise EOFError("the server closed the connection")
            left -= len(data)
            yield Piece(data, self._reader.fed_at)
        if headers.get("connection", "").lower() == "close":
            self._close()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._reader = reader = _Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        async with asyncio.timeout(_STALL_SECONDS):
            transport, _ = await loop.create_connection(lambda: protocol, self._host, self._port, ssl=self._tls)
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _answer(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(_STALL_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError("not an HTTP answer")
        fields = (line.partition(":") for line in lines if line)
        return int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in fields}

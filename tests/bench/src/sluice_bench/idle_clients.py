"""HTTP clients that ask for a file and take nothing of it: the server's kernel holds what they do not read."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from sluice_simulator.mqtt.http import Source
from sluice_simulator.run import raise_file_limit

_SPARE_FILES = 64
_RECEIVE_BUFFER = 4_096
_AT_ONCE = 50


@asynccontextmanager
async def open_downloads(sources: Sequence[Source]) -> AsyncIterator[None]:
    """Hold a download of each source open within the block."""
    raise_file_limit(len(sources) + _SPARE_FILES)
    gate = asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(_open(stack, source, gate) for source in sources))
        yield


async def _open(stack: AsyncExitStack, source: Source, gate: asyncio.Semaphore) -> None:
    url, loop = urlsplit(source.url), asyncio.get_running_loop()
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    client.setblocking(False)  # noqa: FBT003 - the standard library's signature
    async with gate:
        await loop.sock_connect(client, (url.hostname, url.port))
        request = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {source.token}\r\n\r\n"
        await loop.sock_sendall(client, request.encode())
        await loop.sock_recv(client, 1)

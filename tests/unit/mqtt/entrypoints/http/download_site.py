"""A server of downloads over real sockets, and devices that fetch from it."""

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tests.unit.mqtt.conftest import T0
from tests.unit.mqtt.fakes import FakeEvents, FakeImages

from sluice_common.background import BackgroundTasks
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_mqtt.application.download_access import DownloadAccess
from sluice_mqtt.application.download_reports import DownloadReporter
from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.application.transfers import Transfers
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.permissions import DownloadPermissions
from sluice_mqtt.entrypoints.http.downloads import DownloadServer

CHUNK = 4096
RESET, GRACEFUL = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
"""Values of `SO_LINGER`: how a socket ends that is closed."""
DATA = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(250)) * 100
SIGNER = TokenSigner(b"k" * 32)


class Server(TestServer):
    """A server that runs as in production: it does not cancel the handler of a connection that ends."""

    __test__ = False

    async def _make_runner(self, **_: Any) -> web.AppRunner:
        return web.AppRunner(self.app, access_log=None)


class Site:
    """A server of downloads, what it is made of, and a client.

    Attributes:
        now: The time, seconds since 1970.
    """

    def __init__(self, events: FakeEvents, *, max_downloads: int = 10, idle_timeout: float = 5.0) -> None:
        self.now = T0
        self.permissions = DownloadPermissions()
        self.counters = Counters()
        self.images = FakeImages(DATA, CHUNK)
        self.revoked = set[str]()
        self.events = events
        self.tasks = BackgroundTasks()
        self.reporter = DownloadReporter(events, self.tasks, interval=60.0, clock=lambda: self.now)
        self.open = OpenDownloads(self.permissions, self.revoked)
        self.open.has_read.set()
        access = DownloadAccess(self.permissions, SIGNER, self.open, offer_wait=0.2, clock=lambda: self.now)
        transfers = Transfers(self.open, self.images, self.reporter, idle_timeout=idle_timeout, counters=self.counters)
        self.server = DownloadServer(access, transfers, max_downloads=max_downloads, counters=self.counters)
        self._http = Server(self.server.application())
        self.client: TestClient[Any, Any] = TestClient(self._http)

    @property
    def port(self) -> int:
        """Where the server listens."""
        return self._http.port or 0

    def revoke(self, image_id: str) -> None:
        """Revoke an image, as `RevokedImages` does."""
        self.revoked.add(image_id)
        self.open.end_revoked(image_id)

    def get(self, token: ImageToken, method: str = "GET", path: str = "", **headers: str) -> Any:
        """Ask for an image with a token."""
        path = path or f"/downloads/{token.device_id}/{token.task_id}/{token.attempt}/x.bin"
        headers = {"Authorization": f"Bearer {SIGNER.sign(token)}"} | headers
        return self.client.request(method, path, headers=headers)

    async def settled(self) -> None:
        """Return when no download is under way and everything has been published."""
        async with asyncio.timeout(5.0):
            while self.server.active:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.01)
        await self.tasks.wait()

    def reports(self) -> list[tuple[int, bool]]:
        """Return attempt and completion of what was published."""
        return [(event.attempt, event.complete) for event in self.events.published]


def request_for(token: ImageToken, version: str = "1.1", headers: bytes = b"") -> bytes:
    """Return the bytes of a request for an image."""
    path = f"/downloads/{token.device_id}/{token.task_id}/{token.attempt}/x.bin"
    request = f"GET {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {SIGNER.sign(token)}\r\n"
    return request.encode() + headers + b"\r\n"


@asynccontextmanager
async def raw_device(
    site: Site, token: ImageToken, window: int = 0, *, version: str = "1.1", headers: bytes = b""
) -> AsyncIterator[socket.socket]:
    """Yield a device that has asked for the image and reads nothing by itself.

    Args:
        site: What it asks.
        token: Its token.
        window: Bytes of its receive buffer; 0 for the kernel's default.
        version: Of its HTTP.
        headers: Further lines of its request.
    """
    with socket.socket() as device:
        if window:
            device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        device.setblocking(False)  # noqa: FBT003 - the standard library's signature
        loop = asyncio.get_running_loop()
        await loop.sock_connect(device, ("127.0.0.1", site.port))
        await loop.sock_sendall(device, request_for(token, version, headers))
        yield device


@asynccontextmanager
async def slow_device(site: Site, token: ImageToken) -> AsyncIterator[socket.socket]:
    """Yield a device that reads nothing by itself; the server's kernel holds all of its image."""
    async with raw_device(site, token, window=4096) as device:
        async with asyncio.timeout(5.0):
            while site.counters[Counted.BYTES_SERVED] < len(DATA):  # noqa: ASYNC110 - counters have no event
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        yield device


async def receive(device: socket.socket, size: int) -> int:
    """Read at least so many bytes; return how many it were.

    Raises:
        ConnectionError: The connection ended before.
    """
    received = 0
    async with asyncio.timeout(10.0):
        while received < size:
            data = await asyncio.get_running_loop().sock_recv(device, 65_536)
            if not data:
                raise ConnectionError("cut off")
            received += len(data)
    return received


async def receive_until_cut(device: socket.socket) -> int:
    """Read until the connection is cut; return how many bytes came before."""
    received = 0
    with suppress(ConnectionError):
        while True:
            received += await receive(device, 1)
    return received

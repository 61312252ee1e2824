"""Downloads, over real sockets."""

import asyncio
import hashlib
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from gridfs.errors import NoFile

from sluice_common.messages.device_events import DownloadProgressed
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_mqtt.adapters.images import ImageChunks
from sluice_mqtt.application.downloads import Downloads
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.permissions import Rights, token_of
from sluice_mqtt.entrypoints.gateway import _listen, _tls
from sluice_mqtt.settings import GatewaySettings

T0 = 1_700_000_000.0
DEVICE, TASK = "d" * 24, "a" * 24
CHUNK = 4096
RESET, GRACE = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
DATA = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(250)) * 100
SIGNER = TokenSigner(b"k" * 32)
MakeOffer = Callable[..., OfferFirmware]
MakeClose = Callable[..., CloseDownload]


class FakeChunks:
    """An image in memory; may be made to wait before a chunk."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.gated = 1_000_000
        self.data = DATA
        self.size = CHUNK

    async def chunk_size(self, image_id: str, _size: int) -> int:
        """Return the size of chunks."""
        if image_id != "1" * 24:
            raise NoFile("no image")
        return self.size

    async def chunk(self, _image_id: str, number: int) -> bytes:
        """Return a chunk."""
        if number >= self.gated:
            await self.gate.wait()
        return self.data[number * self.size : (number + 1) * self.size]


class Server(TestServer):
    """A server that runs as in production: it does not cancel the handler of a connection that ends."""

    __test__ = False

    async def _make_runner(self, **_: Any) -> web.AppRunner:
        return web.AppRunner(self.app, access_log=None)


class Site:
    """A server of downloads, and what it told."""

    def __init__(self, events: Any, *, max_downloads: int = 10, idle_timeout: float = 5.0) -> None:
        self.rights = Rights()
        self.counters = Counters()
        self.chunks = FakeChunks()
        self.revoked = set[str]()
        self.now = T0
        self.events = events
        self.downloads = Downloads(
            self.rights,
            SIGNER,
            cast("ImageChunks", self.chunks),
            events.real,
            revoked=self.revoked,
            max_downloads=max_downloads,
            idle_timeout=idle_timeout,
            offer_wait=0.2,
            progress_interval=60.0,
            counters=self.counters,
            clock=lambda: self.now,
        )
        self.client: TestClient[Any, Any] = TestClient(Server(self.downloads.application()))

    def get(self, token: ImageToken, method: str = "GET", path: str = "", **headers: str) -> Any:
        """Ask for an image with a token."""
        path = path or f"/downloads/{token.device_id}/{token.task_id}/{token.attempt}/x.bin"
        headers = {"Authorization": f"Bearer {SIGNER.sign(token)}"} | headers
        return self.client.request(method, path, headers=headers)

    async def settled(self) -> None:
        """Return when no download is under way and everything has been told."""
        async with asyncio.timeout(5.0):
            while self.downloads.active:
                await asyncio.sleep(0.01)
        await self.downloads.told()

    def told(self) -> list[tuple[int, bool]]:
        """Return attempt and completion of what the scheduler was told."""
        assert all(isinstance(event, DownloadProgressed) for event in self.events.published)
        return [(event.attempt, event.complete) for event in self.events.published]


@pytest_asyncio.fixture
async def site(events: Any, make_offer: MakeOffer) -> AsyncIterator[Site]:
    site = Site(events)
    site.rights.take(make_offer(size=len(DATA)))
    async with site.client:
        yield site


@pytest.fixture
def token(make_offer: MakeOffer) -> ImageToken:
    return token_of(make_offer())


@pytest.mark.requirement("R098")
async def test_a_device_gets_the_image_with_its_token(site: Site, token: ImageToken) -> None:
    async with site.get(token) as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(DATA))
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["ETag"] == f'"{"5f" * 32}"'
        assert await response.read() == DATA
    await site.settled()
    assert site.told() == [(1, False), (1, True)]


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a peer has not acknowledged")


def request_for(token: ImageToken) -> bytes:
    path = f"/downloads/{token.device_id}/{token.task_id}/{token.attempt}/x.bin"
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SIGNER.sign(token)}\r\n\r\n".encode()


@asynccontextmanager
async def raw_device(site: Site, token: ImageToken, window: int = 0) -> AsyncIterator[socket.socket]:
    """A device that has asked for the image and reads nothing by itself; 0 bytes of window are the kernel's default."""
    server = cast("TestServer", site.client.server)
    with socket.socket() as device:
        if window:
            device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        device.setblocking(False)  # noqa: FBT003 - the standard library's signature
        loop = asyncio.get_running_loop()
        await loop.sock_connect(device, ("127.0.0.1", server.port))
        await loop.sock_sendall(device, request_for(token))
        yield device


@asynccontextmanager
async def slow_device(site: Site, token: ImageToken) -> AsyncIterator[socket.socket]:
    """One for which the kernel holds the whole image."""
    async with raw_device(site, token, window=4096) as device:
        async with asyncio.timeout(5.0):
            while site.counters[Counted.BYTES_SERVED] < len(DATA):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        yield device


async def receive(device: socket.socket, size: int) -> int:
    """Read at least so many bytes; return how many it were."""
    received = 0
    async with asyncio.timeout(10.0):
        while received < size:
            data = await asyncio.get_running_loop().sock_recv(device, 65_536)
            assert data, "cut off"
            received += len(data)
    return received


@pytest.mark.requirement("R102")
@linux_only
async def test_a_download_is_complete_when_the_device_has_it_and_not_when_the_kernel_has(
    site: Site, token: ImageToken
) -> None:
    async with slow_device(site, token) as device:
        assert (1, True) not in site.told()
        await receive(device, len(DATA))
        await site.settled()
    assert site.told()[-1] == (1, True)


@linux_only
async def test_a_download_that_breaks_is_not_complete_and_goes_on_where_it_was(site: Site, token: ImageToken) -> None:
    async with slow_device(site, token) as device:
        got = await receive(device, 10_000)
        device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    await site.settled()
    assert site.told() == [(1, False)]
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 1
    async with site.get(token, Range=f"bytes={got}-") as response:
        await response.read()
    await site.settled()
    assert site.told() == [(1, False), (1, True)]


@linux_only
async def test_a_download_that_breaks_within_a_chunk_goes_on_where_it_was(events: Any, make_offer: MakeOffer) -> None:
    site = Site(events)
    site.chunks.data = bytes(8 * 1024 * 1024)
    site.chunks.size = size = len(site.chunks.data)
    site.rights.take(make_offer(size=size))
    token = token_of(make_offer())
    async with site.client:
        async with raw_device(site, token) as device:
            got = await receive(device, 100_000)
            device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await site.settled()
        async with site.get(token, Range=f"bytes={got}-") as response:
            assert len(await response.read()) == size - got
        await site.settled()
    assert site.told() == [(1, False), (1, True)]
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 1


@linux_only
async def test_a_device_that_leaves_as_soon_as_it_has_the_last_byte_has_completed(
    site: Site, make_offer: MakeOffer
) -> None:
    for attempt in range(1, 21):
        site.rights.take(make_offer(attempt, size=len(DATA)))
        async with raw_device(site, token_of(make_offer(attempt))) as device:
            await receive(device, len(DATA))
            device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET if attempt % 2 else GRACE)
        await site.settled()
        assert site.told()[-1] == (attempt, True)


@linux_only
@pytest.mark.parametrize("says_farewell", [True, False])
async def test_that_is_seen_over_tls_too(
    site: Site, token: ImageToken, certified: GatewaySettings, *, says_farewell: bool
) -> None:
    trust = ssl.create_default_context(cafile=str(certified.download_tls_cert))
    async with AsyncExitStack() as stack:
        port = unused_port()
        await _listen(stack, site.downloads.application(), "127.0.0.1", port, _tls(certified))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        writer.write(request_for(token))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(DATA))
        if says_farewell:
            writer.close()
        else:
            writer.transport.abort()
        await site.settled()
    assert site.told() == [(1, False), (1, True)]


@linux_only
async def test_a_device_that_takes_bytes_slowly_may_take_its_time(events: Any, make_offer: MakeOffer) -> None:
    site = Site(events, idle_timeout=0.3)
    site.chunks.data = bytes(8 * 1024 * 1024)
    site.chunks.size = len(site.chunks.data)
    site.rights.take(make_offer(size=site.chunks.size))
    async with site.client, raw_device(site, token_of(make_offer())) as device:
        received = 0
        while received < site.chunks.size:
            received += await receive(device, min(100_000, site.chunks.size - received))
            await asyncio.sleep(0.02)
        await site.settled()
    assert site.told()[-1] == (1, True)
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 0


@pytest.mark.parametrize("header", ["bytes=-1", "bytes=700000-", f"bytes={len(DATA) - 1}-"])
async def test_the_end_alone_is_not_the_whole(site: Site, token: ImageToken, header: str) -> None:
    async with site.get(token, Range=header) as response:
        await response.read()
    await site.settled()
    assert site.told() == [(1, False)]


async def test_ranges_that_go_on_from_each_other_are_the_whole_at_the_last(site: Site, token: ImageToken) -> None:
    for header in ("bytes=0-0", "bytes=0-399999", "bytes=-16", "bytes=0-9", "bytes=400000-599999"):
        async with site.get(token, Range=header) as response:
            await response.read()
    await site.settled()
    assert site.told() == [(1, False)]
    async with site.get(token, Range="bytes=600000-") as response:
        await response.read()
    await site.settled()
    assert site.told() == [(1, False), (1, True)]


async def test_a_device_that_fetches_again_later_is_told_of_again(site: Site, token: ImageToken) -> None:
    for second in (0, 10, 70):
        site.now = T0 + second
        async with site.get(token) as response:
            await response.read()
        await site.settled()
    assert site.told() == [(1, False), (1, True)] * 2


@linux_only
async def test_a_device_that_takes_no_more_is_cut_off_and_has_not_completed(events: Any, make_offer: MakeOffer) -> None:
    site = Site(events, idle_timeout=0.3)
    site.rights.take(make_offer(size=len(DATA)))
    async with site.client, slow_device(site, token_of(make_offer())):
        await site.settled()
    assert (1, True) not in site.told()
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 1


async def test_head_tells_the_size_and_nothing_more(site: Site, token: ImageToken) -> None:
    async with site.get(token, "HEAD", Range="bytes=0-9") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(DATA))
        assert await response.read() == b""
    assert site.told() == []


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [("bytes=0-0", 0, 1), ("bytes=4095-4096", 4095, 4097), ("bytes=8192-", 8192, None), ("bytes=-5", -5, None)],
)
async def test_ranges_are_served(site: Site, token: ImageToken, header: str, first: int, end: int | None) -> None:
    async with site.get(token, Range=header) as response:
        assert response.status == 206
        expected = DATA[first:end]
        assert await response.read() == expected
        begin = first % len(DATA)
        assert response.headers["Content-Range"] == f"bytes {begin}-{begin + len(expected) - 1}/{len(DATA)}"


async def test_a_range_beyond_the_end_is_not_satisfiable(site: Site, token: ImageToken) -> None:
    async with site.get(token, Range=f"bytes={len(DATA)}-") as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"


async def test_an_interrupted_download_is_resumed_if_the_image_is_the_same(site: Site, token: ImageToken) -> None:
    same, other = f'"{"5f" * 32}"', '"other"'
    async with site.get(token, Range="bytes=100-", **{"If-Range": same}) as response:
        assert response.status == 206
    async with site.get(token, Range="bytes=100-", **{"If-Range": other}) as response:
        assert response.status == 200
        assert await response.read() == DATA


async def test_a_product_that_counts_from_one_gets_its_blocks(events: Any, make_offer: MakeOffer) -> None:
    site = Site(events)
    site.rights.take(make_offer(size=len(DATA), one_based_ranges=True))
    image = bytearray()
    async with site.client:
        while len(image) < len(DATA):
            header = f"bytes={len(image) + 1}-{len(image) + 100_000}"
            async with site.get(token_of(make_offer()), Range=header) as response:
                assert response.status == 206
                image += await response.read()
        await site.settled()
    assert bytes(image) == DATA
    assert site.told() == [(1, False), (1, True)]


async def test_a_client_that_counts_from_zero_after_all_gets_what_it_asks_for(
    events: Any, make_offer: MakeOffer
) -> None:
    site = Site(events)
    site.rights.take(make_offer(size=len(DATA), one_based_ranges=True))
    async with site.client:
        for header, expected in (("bytes=0-99", DATA[:100]), ("bytes=100-199", DATA[100:200])):
            async with site.get(token_of(make_offer()), Range=header) as response:
                assert await response.read() == expected


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_device_that_has_the_image_or_wants_another_gets_none(
    site: Site, token: ImageToken, method: str
) -> None:
    etag = f'"{"5f" * 32}"'
    async with site.get(token, method, **{"If-None-Match": etag, "Range": "bytes=0-9"}) as response:
        assert (response.status, response.headers["ETag"], await response.read()) == (304, etag, b"")
    async with site.get(token, method, **{"If-Match": '"other"'}) as response:
        assert response.status == 412
    async with site.get(token, method, **{"If-Match": etag, "If-None-Match": '"other"'}) as response:
        assert response.status == 200
    assert site.counters[Counted.DOWNLOADS_REFUSED] == 2


async def test_the_scheduler_is_told_now_and_then(site: Site, token: ImageToken) -> None:
    for second in (0, 30, 61, 90, 130):
        site.now = T0 + second
        async with site.get(token, Range="bytes=0-9") as response:
            assert response.status == 206
    await site.settled()
    assert site.told() == [(1, False)] * 3


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic dTpw", "Bearer " + "A" * 80])
async def test_without_a_token_of_ours_nothing_is_served(site: Site, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with site.client.get(f"/downloads/{DEVICE}/{TASK}/1/x.bin", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_stolen_token_serves_no_other_path(site: Site, token: ImageToken) -> None:
    for path in (f"{'e' * 24}/{TASK}/1", f"{DEVICE}/{'e' * 24}/1", f"{DEVICE}/{TASK}/2"):
        async with site.get(token, path=f"/downloads/{path}/x.bin") as response:
            assert response.status == 403


@pytest.mark.requirement("R099")
async def test_a_token_is_refused_after_its_time_and_after_a_later_attempt(
    site: Site, token: ImageToken, make_offer: MakeOffer
) -> None:
    site.now = T0 + 3601
    async with site.get(token) as response:
        assert response.status == 403
    site.now = T0
    site.rights.take(make_offer(2, size=len(DATA)))
    async with site.get(token) as response:
        assert response.status == 403
    async with site.get(token_of(make_offer(2))) as response:
        assert response.status == 200


async def test_an_offer_that_has_not_been_read_yet_is_awaited(site: Site, make_offer: MakeOffer) -> None:
    later = make_offer(2, size=len(DATA))
    async with site.get(token_of(later)) as response:
        assert response.status == 403
    asyncio.get_running_loop().call_later(0.1, site.rights.take, later)
    async with site.get(token_of(later)) as response:
        assert response.status == 200


async def test_a_close_ends_a_download_in_the_middle(site: Site, token: ImageToken, make_close: MakeClose) -> None:
    site.chunks.gate.clear()
    site.chunks.gated = 2
    async with site.get(token) as response:
        await response.content.readexactly(2 * CHUNK)
        site.rights.take(make_close())
        site.chunks.gate.set()
        with pytest.raises(ClientError):
            await response.content.read()
    assert site.counters[Counted.DOWNLOADS_FENCED] == 1
    assert site.counters[Counted.BYTES_SERVED] == 2 * CHUNK


async def test_a_revoked_image_is_served_no_more(site: Site, token: ImageToken) -> None:
    site.chunks.gate.clear()
    site.chunks.gated = 1
    async with site.get(token) as response:
        site.revoked.add(token.image_id)
        site.chunks.gate.set()
        with pytest.raises(ClientError):
            await response.content.read()
    async with site.get(token) as response:
        assert response.status == 403


async def test_a_client_that_takes_nothing_is_left(events: Any, make_offer: MakeOffer) -> None:
    site = Site(events, idle_timeout=0.2)
    site.rights.take(make_offer(size=64 * 1024 * 1024))
    site.chunks.data = bytes(64 * 1024 * 1024)
    site.chunks.size = len(site.chunks.data)
    async with site.client:
        async with site.get(token_of(make_offer())):
            for _ in range(100):
                await asyncio.sleep(0.02)
                if site.counters[Counted.DOWNLOADS_BROKEN]:
                    break
        assert site.counters[Counted.DOWNLOADS_BROKEN] == 1
        assert site.downloads.active == 0


async def test_more_downloads_than_allowed_are_told_to_come_back(events: Any, make_offer: MakeOffer) -> None:
    site = Site(events, max_downloads=0)
    site.rights.take(make_offer(size=len(DATA)))
    async with site.client, site.get(token_of(make_offer())) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "10"


async def test_an_image_that_cannot_be_read_is_told_to_be_asked_for_later(site: Site, make_offer: MakeOffer) -> None:
    offer = make_offer(2, image_id="2" * 24, size=len(DATA))
    site.rights.take(offer)
    async with site.get(token_of(offer)) as response:
        assert response.status == 503


async def test_other_paths_and_methods_are_none(site: Site, token: ImageToken) -> None:
    async with site.get(token, path="/") as response:
        assert response.status == 404
    async with site.get(token, path=f"/downloads/{DEVICE}/{TASK}/x/x.bin") as response:
        assert response.status == 404
    async with site.get(token, "POST") as response:
        assert response.status == 405

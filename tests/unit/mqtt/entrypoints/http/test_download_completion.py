"""Downloads over real sockets: when a device has all of an image, and what is reported of it."""

import asyncio
import socket
import ssl
import sys
from contextlib import AsyncExitStack

import pytest
from aiohttp.test_utils import unused_port
from tests.unit.mqtt.conftest import T0, MakeClose, MakeOffer
from tests.unit.mqtt.entrypoints.http.download_site import (
    DATA,
    GRACEFUL,
    RESET,
    Site,
    raw_device,
    receive,
    receive_until_cut,
    request_for,
    slow_device,
)
from tests.unit.mqtt.fakes import FakeEvents

from sluice_common.tokens import ImageToken
from sluice_mqtt.application.transfers import until_next_look
from sluice_mqtt.domain.counters import Counted
from sluice_mqtt.domain.permissions import token_of
from sluice_mqtt.entrypoints.http.server import listen, tls_context
from sluice_mqtt.settings import GatewaySettings

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a peer has not acknowledged")


@pytest.mark.requirement("R102")
@linux_only
async def test_a_download_is_complete_when_the_device_has_all_bytes_not_when_the_kernel_has_them(
    site: Site, token: ImageToken
) -> None:
    async with slow_device(site, token) as device:
        assert (1, True) not in site.reports()
        await receive(device, len(DATA))
        await site.settled()
    assert site.reports()[-1] == (1, True)


@linux_only
async def test_a_broken_download_is_not_complete_until_a_range_has_brought_the_rest(
    site: Site, token: ImageToken
) -> None:
    async with slow_device(site, token) as device:
        got = await receive(device, 10_000)
        device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    await site.settled()
    assert site.reports() == [(1, False)]
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 1
    async with site.get(token, Range=f"bytes={got}-") as response:
        await response.read()
    await site.settled()
    assert site.reports() == [(1, False), (1, True)]


@linux_only
async def test_a_download_that_breaks_within_a_chunk_is_completed_by_a_range(
    events: FakeEvents, make_offer: MakeOffer
) -> None:
    site = Site(events)
    site.images.data = bytes(8 * 1024 * 1024)
    site.images.size = size = len(site.images.data)
    site.open.apply(make_offer(size=size))
    token = token_of(make_offer())
    async with site.client:
        async with raw_device(site, token) as device:
            got = await receive(device, 100_000)
            device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await site.settled()
        async with site.get(token, Range=f"bytes={got}-") as response:
            assert len(await response.read()) == size - got
        await site.settled()
    assert site.reports() == [(1, False), (1, True)]
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 1


@linux_only
async def test_a_device_that_disconnects_as_soon_as_it_has_the_last_byte_has_completed(
    site: Site, make_offer: MakeOffer
) -> None:
    for attempt in range(1, 21):
        site.open.apply(make_offer(attempt, size=len(DATA)))
        async with raw_device(site, token_of(make_offer(attempt))) as device:
            await receive(device, len(DATA))
            device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET if attempt % 2 else GRACEFUL)
        await site.settled()
        assert site.reports()[-1] == (attempt, True)


@linux_only
@pytest.mark.parametrize("closes_tls", [True, False])
async def test_a_device_that_disconnects_from_tls_as_soon_as_it_has_the_last_byte_has_completed(
    site: Site, token: ImageToken, certified: GatewaySettings, *, closes_tls: bool
) -> None:
    trust = ssl.create_default_context(cafile=str(certified.download_tls_cert))
    async with AsyncExitStack() as stack:
        port = unused_port()
        await listen(stack, site.server.application(), "127.0.0.1", port, tls_context(certified))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        writer.write(request_for(token))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(DATA))
        if closes_tls:
            writer.close()
        else:
            writer.transport.abort()
        await site.settled()
    assert site.reports() == [(1, False), (1, True)]


@linux_only
@pytest.mark.parametrize("by", ["close", "later offer", "revocation"])
async def test_what_flows_ends_at_once_when_its_attempt_ends_though_the_kernel_has_all_of_it(
    site: Site, token: ImageToken, make_offer: MakeOffer, make_close: MakeClose, by: str
) -> None:
    async with slow_device(site, token) as device:
        if by == "revocation":
            site.revoke(token.image_id)
        else:
            site.open.apply(make_close() if by == "close" else make_offer(2, size=len(DATA)))
        async with asyncio.timeout(1.0):
            await site.settled()
        received = await receive_until_cut(device)
    assert received < len(DATA) // 2
    assert (1, True) not in site.reports()
    assert site.counters[Counted.DOWNLOADS_FENCED] == 1


@linux_only
async def test_what_a_slow_device_has_not_taken_ends_at_once_when_its_attempt_is_closed(
    events: FakeEvents, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    site = Site(events)
    site.images.data = bytes(8 * 1024 * 1024)
    site.images.size = len(site.images.data)
    site.open.apply(make_offer(size=site.images.size))
    async with site.client, raw_device(site, token_of(make_offer()), window=4096) as device:
        await receive(device, 10_000)
        site.open.apply(make_close())
        async with asyncio.timeout(1.0):
            await site.settled()
        received = await receive_until_cut(device)
    assert received < 200_000
    assert site.counters[Counted.DOWNLOADS_FENCED] == 1


def test_a_device_that_takes_nothing_is_looked_at_ever_more_seldom() -> None:
    pause, waited, looks = 0.05, 0.0, 0
    while waited < 60.0:
        pause = until_next_look(pause, 1000, 1000)
        waited, looks = waited + pause, looks + 1
    assert (pause, looks) == (5.0, 17)


@pytest.mark.parametrize("seconds", [0.2, 3.0, 60.0, 600.0])
def test_a_device_that_takes_bytes_steadily_is_seen_to_have_all_soon_after(seconds: float) -> None:
    size, pause, now, before = 1_000_000, 0.05, 0.0, 1_000_000
    while (left := max(0, round(size * (1 - now / seconds)))) > 0:
        pause, before = until_next_look(pause, before, left), left
        now += pause
    assert now - seconds < 0.11


@linux_only
async def test_a_device_that_takes_bytes_slowly_is_not_cut_off(events: FakeEvents, make_offer: MakeOffer) -> None:
    site = Site(events, idle_timeout=0.3)
    site.images.data = bytes(8 * 1024 * 1024)
    site.images.size = len(site.images.data)
    site.open.apply(make_offer(size=site.images.size))
    async with site.client, raw_device(site, token_of(make_offer())) as device:
        received = 0
        while received < site.images.size:
            received += await receive(device, min(100_000, site.images.size - received))
            await asyncio.sleep(0.02)
        await site.settled()
    assert site.reports()[-1] == (1, True)
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 0


@pytest.mark.parametrize("header", ["bytes=-1", "bytes=700000-", f"bytes={len(DATA) - 1}-"])
async def test_a_range_at_the_end_alone_does_not_complete_a_download(
    site: Site, token: ImageToken, header: str
) -> None:
    async with site.get(token, Range=header) as response:
        await response.read()
    await site.settled()
    assert site.reports() == [(1, False)]


async def test_consecutive_ranges_complete_a_download_with_the_last_of_them(site: Site, token: ImageToken) -> None:
    for header in ("bytes=0-0", "bytes=0-399999", "bytes=-16", "bytes=0-9", "bytes=400000-599999"):
        async with site.get(token, Range=header) as response:
            await response.read()
    await site.settled()
    assert site.reports() == [(1, False)]
    async with site.get(token, Range="bytes=600000-") as response:
        await response.read()
    await site.settled()
    assert site.reports() == [(1, False), (1, True)]


async def test_a_device_that_fetches_the_image_again_is_reported_again(site: Site, token: ImageToken) -> None:
    for second in (0, 10, 70):
        site.now = T0 + second
        async with site.get(token) as response:
            await response.read()
        await site.settled()
    assert site.reports() == [(1, False), (1, True)] * 2


@linux_only
async def test_a_device_that_takes_no_more_bytes_is_cut_off_and_has_not_completed(
    events: FakeEvents, make_offer: MakeOffer
) -> None:
    site = Site(events, idle_timeout=0.3)
    site.open.apply(make_offer(size=len(DATA)))
    async with site.client, slow_device(site, token_of(make_offer())):
        await site.settled()
    assert (1, True) not in site.reports()
    assert site.counters[Counted.DOWNLOADS_BROKEN] == 1

"""Downloads over real sockets: what is served to whom."""

import asyncio

import pytest
from aiohttp import ClientError
from tests.unit.mqtt.conftest import DEVICE, T0, TASK, MakeClose, MakeOffer
from tests.unit.mqtt.entrypoints.http.download_site import CHUNK, DATA, Site, raw_device
from tests.unit.mqtt.fakes import FakeEvents

from sluice_common.tokens import ImageToken
from sluice_mqtt.domain.counters import Counted
from sluice_mqtt.domain.permissions import token_of

ETAG = f'"{"5f" * 6}"'


@pytest.mark.requirement("R098")
async def test_a_device_gets_the_image_with_its_token(site: Site, token: ImageToken) -> None:
    async with site.get(token) as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(DATA))
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["ETag"] == ETAG
        assert await response.read() == DATA
    await site.settled()
    assert site.reports() == [(1, False), (1, True)]


async def test_head_has_the_size_and_no_body(site: Site, token: ImageToken) -> None:
    async with site.get(token, "HEAD", Range="bytes=0-9") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(DATA))
        assert await response.read() == b""
    assert site.reports() == []


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [("bytes=0-0", 0, 1), ("bytes=4095-4096", 4095, 4097), ("bytes=8192-", 8192, None), ("bytes=-5", -5, None)],
)
async def test_a_range_is_served_as_partial_content(
    site: Site, token: ImageToken, header: str, first: int, end: int | None
) -> None:
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
    async with site.get(token, Range="bytes=100-", **{"If-Range": ETAG}) as response:
        assert (response.status, await response.read()) == (206, DATA[100:])


@pytest.mark.parametrize(
    "condition", ['"other"', f"W/{ETAG}", ETAG.strip('"'), f'{ETAG}, "b"', "*", "", "Sun, 29 Nov 2026 08:00:00 GMT"]
)
async def test_a_download_begins_anew_unless_if_range_is_the_images_strong_validator(
    site: Site, token: ImageToken, condition: str
) -> None:
    async with site.get(token, Range="bytes=100-199", **{"If-Range": condition}) as response:
        assert (response.status, await response.read()) == (200, DATA)
        assert "Content-Range" not in response.headers


@pytest.mark.parametrize(
    "header",
    ["bytes", "bytes=", "bytes=-", "bytes=9-3", "bytes=a-b", "bytes=0x0-0x9", "octets=0-9", "0-9", "bytes=0-9,20-29"],
)
async def test_a_range_that_is_malformed_or_several_gets_the_whole_image(
    site: Site, token: ImageToken, header: str
) -> None:
    async with site.get(token, Range=header) as response:
        assert (response.status, await response.read()) == (200, DATA)
        assert "Content-Range" not in response.headers


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.1", b"Range: bytes=797952-799999\r\n"),
        ("1.1", b"Range: bytes=797952-799999\r\nIf-Range: %s\r\n" % ETAG.encode()),
        ("1.1", b"Range: bytes=-2048\r\nConnection: close\r\n"),
        ("1.0", b"Range: bytes=797952-799999\r\nConnection: keep-alive\r\n"),
        ("1.0", b""),
    ],
)
async def test_the_headers_leave_room_for_2048_bytes_in_what_a_modem_takes(
    site: Site, token: ImageToken, version: str, headers: bytes
) -> None:
    async with raw_device(site, token, version=version, headers=headers) as device:
        received = b""
        while b"\r\n\r\n" not in received:
            received += await asyncio.get_running_loop().sock_recv(device, 65_536)
    head, _, _ = received.partition(b"\r\n\r\n")
    more_digits_of_the_largest_image = 3 * (len(str(2**30)) - len(str(len(DATA))))
    assert len(head) + 4 + more_digits_of_the_largest_image <= 2303 - 2048


async def test_a_product_that_counts_from_one_gets_the_whole_image_in_blocks(
    events: FakeEvents, make_offer: MakeOffer
) -> None:
    site = Site(events)
    site.open.apply(make_offer(size=len(DATA), one_based_ranges=True))
    image = bytearray()
    async with site.client:
        while len(image) < len(DATA):
            header = f"bytes={len(image) + 1}-{len(image) + 100_000}"
            async with site.get(token_of(make_offer()), Range=header) as response:
                assert response.status == 206
                image += await response.read()
        await site.settled()
    assert bytes(image) == DATA
    assert site.reports() == [(1, False), (1, True)]


async def test_a_client_of_a_one_based_product_that_asks_for_a_range_from_zero_is_served_from_zero_on(
    events: FakeEvents, make_offer: MakeOffer
) -> None:
    site = Site(events)
    site.open.apply(make_offer(size=len(DATA), one_based_ranges=True))
    async with site.client:
        for header, expected in (("bytes=0-99", DATA[:100]), ("bytes=100-199", DATA[100:200])):
            async with site.get(token_of(make_offer()), Range=header) as response:
                assert await response.read() == expected


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_if_none_match_and_if_match_prevent_a_download(site: Site, token: ImageToken, method: str) -> None:
    etag = ETAG
    async with site.get(token, method, **{"If-None-Match": etag, "Range": "bytes=0-9"}) as response:
        assert (response.status, response.headers["ETag"], await response.read()) == (304, etag, b"")
    async with site.get(token, method, **{"If-Match": '"other"'}) as response:
        assert response.status == 412
    async with site.get(token, method, **{"If-Match": etag, "If-None-Match": '"other"'}) as response:
        assert response.status == 200
    assert site.counters[Counted.DOWNLOADS_REFUSED] == 2


async def test_progress_is_reported_once_an_interval(site: Site, token: ImageToken) -> None:
    for second in (0, 30, 61, 90, 130):
        site.now = T0 + second
        async with site.get(token, Range="bytes=0-9") as response:
            assert response.status == 206
    await site.settled()
    assert site.reports() == [(1, False)] * 3


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic dTpw", "Bearer " + "A" * 80])
async def test_a_request_without_a_token_of_the_platform_is_unauthorized(site: Site, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with site.client.get(f"/downloads/{DEVICE}/{TASK}/1/x.bin", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_the_envelope_that_signs_the_image_is_served_beside_it_and_counts_as_no_progress(
    site: Site, token: ImageToken
) -> None:
    beside = f"/downloads/{DEVICE}/{TASK}/1/x.bin.dsse"
    async with site.get(token, path=beside) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert await response.read() == b"{envelope}"
    async with site.client.get(beside) as response:
        assert response.status == 401
    site.images.is_away = True
    async with site.get(token, path=beside) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "10"
    site.images.is_away, site.images.signed_by = False, None
    async with site.get(token, path=beside) as response:
        assert response.status == 404
    site.revoked.add(token.image_id)
    async with site.get(token, path=beside) as response:
        assert response.status == 403
    await site.settled()
    assert site.reports() == []


async def test_a_token_serves_only_its_own_path(site: Site, token: ImageToken) -> None:
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
    site.open.apply(make_offer(2, size=len(DATA)))
    async with site.get(token) as response:
        assert response.status == 403
    async with site.get(token_of(make_offer(2))) as response:
        assert response.status == 200


async def test_a_request_waits_for_an_offer_that_has_not_been_read_yet(site: Site, make_offer: MakeOffer) -> None:
    later = make_offer(2, size=len(DATA))
    async with site.get(token_of(later)) as response:
        assert response.status == 403
    asyncio.get_running_loop().call_later(0.1, site.open.apply, later)
    async with site.get(token_of(later)) as response:
        assert response.status == 200


async def test_closing_an_attempt_aborts_its_download(site: Site, token: ImageToken, make_close: MakeClose) -> None:
    site.images.gate.clear()
    site.images.gated = 2
    async with site.get(token) as response:
        await response.content.readexactly(2 * CHUNK)
        site.open.apply(make_close())
        with pytest.raises(ClientError):
            await response.content.read()
    assert site.counters[Counted.DOWNLOADS_FENCED] == 1
    assert site.counters[Counted.BYTES_SERVED] == 2 * CHUNK


async def test_revoking_an_image_aborts_its_downloads_and_forbids_new_ones(site: Site, token: ImageToken) -> None:
    site.images.gate.clear()
    site.images.gated = 1
    async with site.get(token) as response:
        site.revoke(token.image_id)
        with pytest.raises(ClientError):
            await response.content.read()
    async with site.get(token) as response:
        assert response.status == 403


async def test_a_download_whose_attempt_is_closed_while_it_is_prepared_does_not_begin(
    site: Site, token: ImageToken, make_close: MakeClose
) -> None:
    site.images.on_chunk_size = lambda: site.open.apply(make_close())
    with pytest.raises(ClientError):
        async with site.get(token) as response:
            await response.read()
    assert site.counters[Counted.BYTES_SERVED] == 0


async def test_downloads_are_unavailable_until_all_commands_are_read(site: Site, token: ImageToken) -> None:
    site.open.has_read.clear()
    async with site.get(token) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "10")
    asyncio.get_running_loop().call_later(0.05, site.open.has_read.set)
    async with site.get(token) as response:
        assert response.status == 200


async def test_a_gateway_that_ends_lets_downloads_end_and_begins_none(site: Site, token: ImageToken) -> None:
    site.images.gate.clear()
    site.images.gated = 2
    async with site.get(token) as first:
        await first.content.readexactly(CHUNK)
        draining = asyncio.create_task(site.server.drain(5.0))
        async with asyncio.timeout(5.0):
            while True:
                async with site.get(token) as second:
                    if second.status == 503:
                        break
        assert second.headers["Retry-After"] == "10"
        assert not draining.done()
        site.images.gate.set()
        await first.read()
    await draining
    assert site.server.active == 0


async def test_a_gateway_that_ends_waits_for_a_slow_download_only_so_long(site: Site, token: ImageToken) -> None:
    site.images.gate.clear()
    site.images.gated = 2
    async with site.get(token):
        await site.server.drain(0.1)
        assert site.server.active == 1
        site.images.gate.set()


async def test_a_client_that_takes_nothing_is_cut_off(events: FakeEvents, make_offer: MakeOffer) -> None:
    site = Site(events, idle_timeout=0.2)
    site.open.apply(make_offer(size=64 * 1024 * 1024))
    site.images.data = bytes(64 * 1024 * 1024)
    site.images.size = len(site.images.data)
    async with site.client:
        async with site.get(token_of(make_offer())):
            for _ in range(100):
                await asyncio.sleep(0.02)
                if site.counters[Counted.DOWNLOADS_BROKEN]:
                    break
        assert site.counters[Counted.DOWNLOADS_BROKEN] == 1
        assert site.server.active == 0


async def test_more_downloads_than_allowed_are_unavailable_for_now(events: FakeEvents, make_offer: MakeOffer) -> None:
    site = Site(events, max_downloads=0)
    site.open.apply(make_offer(size=len(DATA)))
    async with site.client, site.get(token_of(make_offer())) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "10"


async def test_an_image_that_cannot_be_read_is_unavailable_for_now(site: Site, make_offer: MakeOffer) -> None:
    offer = make_offer(2, image_id="2" * 24, size=len(DATA))
    site.open.apply(offer)
    async with site.get(token_of(offer)) as response:
        assert response.status == 503


async def test_other_paths_and_methods_do_not_exist(site: Site, token: ImageToken) -> None:
    async with site.get(token, path="/") as response:
        assert response.status == 404
    async with site.get(token, path=f"/downloads/{DEVICE}/{TASK}/x/x.bin") as response:
        assert response.status == 404
    async with site.get(token, "POST") as response:
        assert response.status == 405

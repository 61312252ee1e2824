"""Package URIs and Block2 downloads (RFC 7252 §6, RFC 7959 §2.4)."""

import asyncio
import hashlib
from collections.abc import Callable

import pytest

from sluice_simulator import packet as coap
from sluice_simulator.coap import Endpoint
from sluice_simulator.dice import Dice
from sluice_simulator.download import Download, Image, PackageUri, UriError
from sluice_simulator.fleet import Result, Tuning
from sluice_simulator.packet import Option, Packet

IMAGE = bytes(range(256)) * 10
DIGEST = hashlib.sha256(IMAGE).hexdigest()

Answer = Callable[[int, int], tuple[int, list[Option], bytes] | None]


def served(number: int, exponent: int, image: bytes = IMAGE, etag: bytes = b"e1") -> tuple[int, list[Option], bytes]:
    size = 1 << (exponent + 4)
    more = (number + 1) * size < len(image)
    block = number << 4 | (8 if more else 0) | exponent
    options = [(coap.ETAG, etag), (coap.BLOCK2, coap.uint_bytes(block)), (coap.SIZE2, coap.uint_bytes(len(image)))]
    return coap.CONTENT, options, image[number * size : (number + 1) * size]


class Bench:
    """A download from a server that is a function of block number and size exponent."""

    def __init__(self, answer: Answer, *, exponent: int = 6, seconds: float = 0.0, stop_after: int = 0) -> None:
        self.answer = answer
        self.requests: list[Packet] = []
        self.blocks = 0
        loop = asyncio.get_running_loop()
        tuning = Tuning(ack_timeout=0.01, max_retransmit=1)
        self.endpoint = Endpoint(loop, self, tuning, Dice(1), lambda _: None)
        self.outcome: asyncio.Future[Image | Result] = loop.create_future()
        self.stop_after = stop_after
        self.download = Download(
            loop,
            self.endpoint,
            coap.path_options("/fw/t"),
            served=self._served,
            ended=self.outcome.set_result,
            block_exponent=exponent,
            seconds=seconds,
        )
        self.download.start()

    def send(self, data: bytes) -> None:
        request = coap.decode(data)
        self.requests.append(request)
        asyncio.get_running_loop().call_soon(self._respond, request)

    def _respond(self, request: Packet) -> None:
        block = request.uint(coap.BLOCK2) or 0
        answer = self.answer(block >> 4, block & 7)
        if answer is not None:
            code, options, payload = answer
            encoded = coap.encode_options(options)
            self.endpoint.received(
                coap.encode(coap.ACK, code, request.mid, request.token, options=encoded, payload=payload)
            )

    def _served(self, blocks: int) -> None:
        self.blocks = blocks
        if blocks == self.stop_after:
            self.download.cancel()

    async def end(self) -> Image | Result:
        async with asyncio.timeout(10):
            return await self.outcome


@pytest.mark.requirement("R080")
@pytest.mark.parametrize("exponent", [0, 5, 6])
async def test_an_image_comes_block_by_block(exponent: int) -> None:
    bench = Bench(served, exponent=exponent)
    assert await bench.end() == Image(DIGEST, len(IMAGE))
    assert bench.blocks == -(-len(IMAGE) // (1 << (exponent + 4)))
    assert [packet.path for packet in bench.requests[:1]] == ["/fw/t"]
    assert bench.requests[0].option(coap.SIZE2) == b""


async def test_the_server_may_serve_smaller_blocks_than_asked() -> None:
    bench = Bench(lambda number, exponent: served(number, min(exponent, 4)))
    assert await bench.end() == Image(DIGEST, len(IMAGE))
    assert {(packet.uint(coap.BLOCK2) or 0) & 7 for packet in bench.requests[1:]} == {4}


async def test_the_server_may_change_to_smaller_blocks_on_the_way() -> None:
    def answer(number: int, exponent: int) -> tuple[int, list[Option], bytes]:
        return served(number, exponent) if number == 0 else served(number << (exponent - 3), 3)

    bench = Bench(lambda number, exponent: answer(number, exponent) if exponent > 3 else served(number, 3))
    assert await bench.end() == Image(DIGEST, len(IMAGE))


async def test_a_small_image_without_block_option_is_the_whole() -> None:
    bench = Bench(lambda _, __: (coap.CONTENT, [], b"tiny"))
    assert await bench.end() == Image(hashlib.sha256(b"tiny").hexdigest(), 4)


@pytest.mark.parametrize(
    "broken",
    [
        lambda number, exponent: served(number + 1 if number else 0, exponent),
        lambda number, exponent: served(number, exponent, etag=b"e1" if number == 0 else b"e2"),
        lambda number, exponent: (*served(number, exponent)[:2], b"short"),
        lambda number, _: (coap.CONTENT, [(coap.BLOCK2, coap.uint_bytes(number << 4 | 15))], bytes(2048)),
    ],
    ids=["wrong-number", "changed-etag", "short-block", "reserved-size"],
)
async def test_blocks_that_do_not_fit_fail_the_integrity_check(broken: Answer) -> None:
    assert await Bench(broken).end() is Result.INTEGRITY_CHECK_FAILED


@pytest.mark.parametrize("code", [coap.NOT_FOUND, coap.BAD_REQUEST, 0x83])
async def test_a_refused_block_is_an_invalid_uri(code: int) -> None:
    bench = Bench(lambda number, exponent: served(number, exponent) if number == 0 else (code, [], b""))
    assert await bench.end() is Result.INVALID_URI


async def test_silence_is_a_lost_connection() -> None:
    bench = Bench(lambda number, exponent: served(number, exponent) if number == 0 else None)
    assert await bench.end() is Result.CONNECTION_LOST


async def test_a_busy_server_is_asked_again_after_its_max_age() -> None:
    busy = [True]

    def answer(number: int, exponent: int) -> tuple[int, list[Option], bytes]:
        if busy:
            busy.pop()
            return coap.SERVICE_UNAVAILABLE, [(coap.MAX_AGE, b"")], b""
        return served(number, exponent)

    assert await Bench(answer).end() == Image(DIGEST, len(IMAGE))


async def test_a_server_that_stays_busy_is_given_up() -> None:
    bench = Bench(lambda _, __: (coap.SERVICE_UNAVAILABLE, [(coap.MAX_AGE, b"")], b""))
    assert await bench.end() is Result.INVALID_URI


async def test_a_cancelled_download_asks_for_nothing_more() -> None:
    bench = Bench(served, stop_after=1)
    await asyncio.sleep(0.05)
    assert len(bench.requests) == 1
    assert not bench.outcome.done()


async def test_a_paced_download_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await Bench(served, exponent=4, seconds=0.3).end()
    assert loop.time() - begin >= 0.25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("coap://127.0.0.1/fw/a%20b", PackageUri("127.0.0.1", 5683, ("fw", "a b"))),
        ("coap://[::1]:5699/fw?x=1&y=2", PackageUri("::1", 5699, ("fw",), ("x=1", "y=2"))),
        ("coap://host.example:61616/a/b", PackageUri("host.example", 61_616, ("a", "b"))),
    ],
)
def test_a_uri_is_taken_apart(text: str, expected: PackageUri) -> None:
    assert PackageUri.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("https://host/fw", Result.UNSUPPORTED_PROTOCOL),
        ("coaps://host/fw", Result.UNSUPPORTED_PROTOCOL),
        ("gopher://host/fw", Result.INVALID_URI),
        ("coap:///fw", Result.INVALID_URI),
        ("coap://host:port/fw", Result.INVALID_URI),
        ("coap://host:99999/fw", Result.INVALID_URI),
        ("coap://[::1/fw", Result.INVALID_URI),
        ("nonsense", Result.INVALID_URI),
    ],
)
def test_a_uri_that_cannot_be_fetched_says_why(text: str, result: Result) -> None:
    with pytest.raises(UriError) as caught:
        PackageUri.parse(text)
    assert caught.value.result is result


def test_a_get_names_the_host_only_where_it_is_a_name() -> None:
    named = PackageUri.parse("coap://fw.example/x?t=1")
    numbered = PackageUri.parse("coap://127.0.0.1/x?t=1")
    assert named.options(path_only=False) == [
        (coap.URI_HOST, b"fw.example"),
        (coap.URI_PATH, b"x"),
        (coap.URI_QUERY, b"t=1"),
    ]
    assert numbered.options(path_only=False) == [(coap.URI_PATH, b"x"), (coap.URI_QUERY, b"t=1")]
    assert named.options(path_only=True) == [(coap.URI_PATH, b"x")]

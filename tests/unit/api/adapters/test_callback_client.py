"""Whatever strangers give as a URL and answer, a post fails in the end and no more, and nobody else waits for it."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from sluice_api.adapters.callback_client import HttpCallbackClient
from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.callbacks.dialect import Answer
from sluice_common.messages.base import now
from sluice_common.sealing import Sealer


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://a..b/", "no name"),
        ("http://[1.2.3.4]/", "not a URL"),
        ("http://①27.0.0.1:9/", "private"),
        ("http://localhost.:9/", "private"),
    ],
)
async def test_what_cannot_or_must_not_be_called_is_a_failed_delivery(url: str, why: str) -> None:
    async with HttpCallbackClient(2.0, Sealer([]), allow_private=False) as client:
        assert why in str((await client.post(to(url))).failure)


class NoSealer(Sealer):
    """Fails as nobody has foreseen."""

    def open(self, sealed: str) -> bytes:
        raise ArithmeticError(sealed)


async def test_what_nobody_has_foreseen_is_a_failed_delivery() -> None:
    async with HttpCallbackClient(2.0, NoSealer([]), allow_private=True) as client:
        delivery = msgspec.structs.replace(to("http://127.0.0.1:9/"), secret="x")
        assert await client.post(delivery) == Answer(failure="ArithmeticError: x")


BOMB = gzip.compress(bytes(50_000_000), 1)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


class NameServer(asyncio.DatagramProtocol):
    """Answers for `good.example` with 127.0.0.1 (RFC 1035 §4), and for other names never."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(b"\0", 12) + 5  # of the question: name, type, class
        self.asked.append(data[12:end])
        if b"good" not in self.asked[-1]:
            return
        is_a = self.asked[-1][-4:] == b"\0\1\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if is_a else b""
        counts = b"\0\1\0%c\0\0\0\0" % is_a
        self._transport.sendto(data[:2] + b"\x81\x80" + counts + self.asked[-1] + answer, addr)


@asynccontextmanager
async def name_server() -> AsyncIterator[tuple[str, NameServer]]:
    """Run a name server; yield its address."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    try:
        yield "{}:{}".format(*transport.get_extra_info("sockname")), server
    finally:
        transport.close()


@asynccontextmanager
async def receiver(talk: Talk) -> AsyncIterator[int]:
    """Run a receiver that talks as it likes once it has the head of a request; yield its port."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def slow_bytes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def a_hundred_megabytes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
    for __ in range(1600):
        writer.write(bytes(65536))
        await writer.drain()


async def an_endless_line(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 ")
    for __ in range(1600):
        writer.write(b"x" * 65536)
        await writer.drain()


async def a_bomb(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    writer.write(head.encode() + BOMB)
    await writer.drain()


async def elsewhere(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


async def no_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")


async def at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@pytest.mark.parametrize(
    ("talk", "failure"),
    [
        (never, "no answer within 0.5 s"),
        (slow_bytes, "no answer within 0.5 s"),
        (an_endless_line, "400"),
        (elsewhere, "status 307"),
        (no_http, "400"),
        (a_hundred_megabytes, "None"),
        (a_bomb, "None"),
    ],
)
async def test_a_hostile_receiver_costs_its_own_post_no_more_than_its_deadline(talk: Talk, failure: str) -> None:
    async with receiver(talk) as port, HttpCallbackClient(0.5, Sealer([]), allow_private=True) as client:
        async with asyncio.timeout(2.0):
            answer = await client.post(to(f"http://127.0.0.1:{port}/"))
    assert failure in str(answer.failure)


async def test_dead_names_and_silent_receivers_keep_a_post_to_a_healthy_receiver_waiting_for_nothing() -> None:
    async with (
        name_server() as (nameserver, names),
        receiver(never) as silent,
        receiver(at_once) as healthy,
        HttpCallbackClient(10.0, Sealer([]), allow_private=True, nameservers=[nameserver]) as client,
    ):
        dead = [to(f"http://dead{n % 2}.example/") for n in range(50)]
        others = [to(f"http://good.example:{silent}/")] * 50
        tasks = [asyncio.create_task(client.post(delivery)) for delivery in (*dead, *others)]
        while len(names.asked) < 2:
            await asyncio.sleep(0.01)
        assert await client.post(to(f"http://good.example:{healthy}/")) == Answer()
        assert not any(task.done() for task in tasks)
        failed = await asyncio.gather(*tasks[:50])
        for task in tasks:
            task.cancel()
    # Either our deadline or the shorter one that c-ares derives from how fast the server has answered before.
    assert all("resolved" in str(answer.failure) for answer in failed)
    assert len({question for question in names.asked if b"dead" in question}) <= 2 * 2  # A and AAAA of two names


async def test_a_name_that_turns_inwards_after_it_was_accepted_is_not_followed() -> None:
    async with (
        name_server() as (nameserver, _),
        receiver(at_once) as port,
        HttpCallbackClient(5.0, Sealer([]), allow_private=False, nameservers=[nameserver]) as client,
    ):
        answer = await client.post(to(f"http://good.example:{port}/"))
    assert "has no public address" in str(answer.failure)


async def test_a_name_of_this_machine_is_found_without_a_name_server() -> None:
    async with receiver(at_once) as port, HttpCallbackClient(5.0, Sealer([]), allow_private=True) as client:
        assert await client.post(to(f"http://localhost:{port}/")) == Answer()


def to(url: str) -> Delivery:
    return Delivery(key="s:d", delivery_id="d", target="t", url=url, body=b"{}", secret=None, created_at=now())

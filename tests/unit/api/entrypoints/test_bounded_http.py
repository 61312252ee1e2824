"""What a client may cost before its request is whole, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from sluice_api.entrypoints.bounded_http import EdgeLimits, bounded

LIMITS = EdgeLimits(headers=10, head=1_000, head_seconds=60.0, connections=3)
QUICK = EdgeLimits(headers=10, head=1_000, head_seconds=0.5, connections=3)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the number of bytes of the body."""
    request = Request(scope, receive)
    await PlainTextResponse(str(len(await request.body())))(scope, receive, send)


class Client:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int:
        """Return the status of the next answer, 0 if the connection has ended."""
        head = await self._reader.readuntil(b"\r\n\r\n") if not self._reader.at_eof() else b""
        return int(head.split(b" ")[1])

    async def ended(self) -> bytes:
        """Return all that comes until the connection ends."""
        async with asyncio.timeout(30):
            left = await self._reader.read()
        self.close()
        return left

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def serving(limits: EdgeLimits) -> AsyncIterator[int]:
    """Serve, and yield the port."""
    protocol = bounded(limits)
    config, state = uvicorn.Config(application, log_config=None), ServerState()
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]
        for connection in list(state.connections):
            connection.transport.abort()


async def connected(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def test_requests_within_the_limits_are_served_one_after_the_other_bodies_too() -> None:
    async with serving(LIMITS) as port:
        client = await connected(port)
        for _ in range(3):
            await client.say(GET + b"\r\n")
            assert await client.status() == 200
            await client._reader.readexactly(1)
        await client.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
        assert await client.status() == 200
        client.close()


async def test_more_headers_than_there_may_be_are_refused_and_hung_up_on() -> None:
    async with serving(LIMITS) as port:
        client = await connected(port)
        await client.say(GET + b"a: b\r\n" * 20_000)
        assert (await client.ended()).startswith(b"HTTP/1.1 431 ")


async def test_headers_that_are_too_long_together_are_refused() -> None:
    async with serving(LIMITS) as port:
        client = await connected(port)
        await client.say(GET + b"a: " + b"b" * 600 + b"\r\nc: " + b"d" * 600 + b"\r\n\r\n")
        assert (await client.ended()).startswith(b"HTTP/1.1 431 ")


async def test_a_header_that_never_ends_is_refused_after_its_limit() -> None:
    async with serving(LIMITS) as port:
        client = await connected(port)
        await client.say(GET + b"a: ")
        for _ in range(3):
            await client.say(b"b" * 900)
            await asyncio.sleep(0.01)
        assert (await client.ended()).startswith(b"HTTP/1.1 431 ")


async def test_a_head_that_does_not_come_to_its_end_in_time_is_given_up() -> None:
    async with serving(QUICK) as port:
        silent, slow = await connected(port), await connected(port)
        await slow.say(b"GET / HT")
        assert (await silent.ended()).startswith(b"HTTP/1.1 408 ")
        assert (await slow.ended()).startswith(b"HTTP/1.1 408 ")


async def test_the_second_request_of_a_connection_has_its_own_time() -> None:
    async with serving(QUICK) as port:
        client = await connected(port)
        await client.say(GET + b"\r\n")
        assert await client.status() == 200
        await client._reader.readexactly(1)
        await client.say(b"GET / HT")
        assert (await client.ended()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_is_not_timed_by_the_head() -> None:
    async with serving(QUICK) as port:
        client = await connected(port)
        await client.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        await asyncio.sleep(0.6)
        await client.say(b"cd")
        assert await client.status() == 200
        client.close()


async def test_an_address_has_so_many_connections_and_another_one_when_one_has_ended() -> None:
    async with serving(LIMITS) as port:
        clients = [await connected(port) for _ in range(3)]
        with capture_logs() as logs:
            assert await (await connected(port)).ended() == b""
        assert [(log["event"], log["reason"]) for log in logs] == [("connections_refused", "too_many_connections")]
        clients[0].close()
        await asyncio.sleep(0.05)
        another = await connected(port)
        await another.say(GET + b"\r\n")
        assert await another.status() == 200
        for client in (*clients[1:], another):
            client.close()


async def test_what_is_no_http_is_a_bad_request() -> None:
    async with serving(LIMITS) as port:
        client = await connected(port)
        await client.say(b"\x16\x03\x01\x00\r\n\r\n")
        assert (await client.ended()).startswith(b"HTTP/1.1 400 ")

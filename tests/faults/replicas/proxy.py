"""A link between services and a part that can be slow, and can be cut without either end being told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK = 64 * 1024
_HOST = "127.0.0.1"
Writer = asyncio.StreamWriter


class Link:
    """Carries TCP connections from one port of this machine to another.

    Args:
        target: TCP port of the part.

    Attributes:
        delay: Seconds that each piece is under way, in either direction; pieces keep their order and overtake nothing.
        is_whole: Whether anything arrives. What was sent meanwhile arrives when it is set again.
        carried: Bytes that have arrived.
    """

    def __init__(self, target: int) -> None:
        self.delay = 0.0
        self.is_whole = asyncio.Event()
        self.is_whole.set()
        self.carried = 0
        self._target = target
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Accept connections at a port until the block ends."""
        server = await asyncio.start_server(self._accept, _HOST, port)
        try:
            yield
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError):
            await self.is_whole.wait()
            there, back = await asyncio.open_connection(_HOST, self._target)
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Carry what comes, each piece as late as the link is slow, until one side closes."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
        delivering = asyncio.ensure_future(self._deliver(under_way, writer))
        try:
            while data := await reader.read(_CHUNK):
                await under_way.put((loop.time() + self.delay, data))
            await under_way.put((loop.time() + self.delay, b""))
            await delivering
        finally:
            delivering.cancel()
            writer.close()

    async def _deliver(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: Writer) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await under_way.get()
            if (ahead := due - loop.time()) > 0:
                await asyncio.sleep(ahead)
            await self.is_whole.wait()
            if not data:
                return
            writer.write(data)
            await writer.drain()
            self.carried += len(data)

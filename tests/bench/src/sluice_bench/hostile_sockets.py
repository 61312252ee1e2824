"""The sockets of a hostile device: its own, and others from which it speaks, too."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Self

from sluice_demo.devices import DevicesError
from sluice_simulator import packet as coap
from sluice_simulator.hostile import SOCKETS

_PING_MID = 0xFFFE
_ATTEMPTS = 20


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, on_heard: Callable[[bytes], None]) -> None:
        self._on_heard = on_heard

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        self._on_heard(data)


def _ignore(_: bytes) -> None:
    """Nobody listens yet."""


class HostileSockets:
    """Sockets towards one gateway; one more asks by pings (RFC 7252 §4.3) whether it still takes datagrams."""

    def __init__(self) -> None:
        self._transports: list[asyncio.DatagramTransport] = []
        self._pong = asyncio.Event()
        self._on_heard: Callable[[bytes], None] = _ignore

    @classmethod
    async def open(cls, server: tuple[str, int]) -> Self:
        """Return them, open."""
        made, loop = cls(), asyncio.get_running_loop()
        for callback in (*[made._hear] * SOCKETS, made._note_pong):
            transport, _ = await loop.create_datagram_endpoint(partial(_Socket, callback), remote_addr=server)
            made._transports.append(transport)
        return made

    def on_heard(self, take: Callable[[bytes], None]) -> None:
        """Set who takes what comes to the device."""
        self._on_heard = take

    def send(self, data: bytes, socket: int) -> None:
        """Send a datagram."""
        self._transports[socket].sendto(data)

    async def ping(self, seconds: float) -> None:
        """Return when the gateway has taken what was sent before.

        Raises:
            DevicesError: It does not answer.
        """
        self._pong.clear()
        for _ in range(_ATTEMPTS):
            self._transports[-1].sendto(coap.encode(coap.CON, coap.EMPTY, _PING_MID, b""))
            try:
                async with asyncio.timeout(seconds / _ATTEMPTS):
                    await self._pong.wait()
            except TimeoutError:
                continue
            return
        raise DevicesError("the gateway does not answer pings any more")

    def _hear(self, data: bytes) -> None:
        self._on_heard(data)

    def _note_pong(self, _: bytes) -> None:
        self._pong.set()

    def close(self) -> None:
        """Close them."""
        for transport in self._transports:
            transport.close()

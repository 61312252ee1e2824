"""Requests byte by byte: a device that repeats what is not answered, wherever it is led."""

import asyncio
import socket
from collections.abc import Sequence

_ACK_TIMEOUT = 0.3
_DEADLINE = 60.0
_URI_PATH = 11
_FIRST_RESPONSE = 0x40


def update_datagram(location: Sequence[str], mid: int) -> bytes:
    """Return a Confirmable Update of a registration."""
    return _request(0x02, mid, location)


def register_datagram(endpoint: str, mid: int = 0, token: bytes = b"") -> bytes:
    """Return a Confirmable registration in queue mode."""
    options = _option(4, f"ep={endpoint}".encode()) + _option(0, b"lt=300") + _option(0, b"lwm2m=1.1")
    return _request(0x02, mid, ("rd",), token) + options


def get_datagram(path: str, mid: int, block2: bytes | None = None) -> bytes:
    """Return a Confirmable GET, of a block if there is the value of its option."""
    datagram = _request(0x01, mid, path.strip("/").split("/"))
    return datagram if block2 is None else datagram + bytes((0xC0 | len(block2),)) + block2


def _request(code: int, mid: int, path: Sequence[str], token: bytes = b"") -> bytes:
    options, delta = b"", _URI_PATH
    for segment in path:
        options += _option(delta, segment.encode())
        delta = 0
    return bytes((0x40 | len(token), code)) + mid.to_bytes(2) + token + options


def _option(delta: int, value: bytes) -> bytes:
    one_byte, two_bytes = 13, 269
    if len(value) < one_byte:
        return bytes((delta << 4 | len(value),)) + value
    assert len(value) < two_bytes
    return bytes((delta << 4 | one_byte, len(value) - one_byte)) + value


class RawClient:
    """One socket; every request is repeated until it is acknowledged."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._to = ("127.0.0.1", port)
        self.acknowledged = False
        """Whether a request was acknowledged without its answer."""

    def move_to(self, port: int) -> None:
        """Send to another process from now on."""
        self._to = ("127.0.0.1", port)

    def close(self) -> None:
        """Fall silent."""
        self._socket.close()

    async def ask(self, datagram: bytes) -> int:
        """Return the code of the answer."""
        return (await self.answer(datagram))[1]

    async def answer(self, datagram: bytes) -> bytes:
        """Return the answer to a request, in its acknowledgement or later; fail when there is none."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_DEADLINE):
            while True:
                await loop.sock_sendto(self._socket, datagram, self._to)
                try:
                    async with asyncio.timeout(_ACK_TIMEOUT):
                        answer = await self._next(datagram[2:4])
                except TimeoutError:
                    continue
                self.acknowledged = not answer[1]
                return await self._late() if self.acknowledged else answer

    async def _next(self, mid: bytes) -> bytes:
        """Return the next message with a Message ID."""
        while True:
            message = await asyncio.get_running_loop().sock_recv(self._socket, 2_048)
            if message[2:4] == mid:
                return message

    async def _late(self) -> bytes:
        """Return the response to what was acknowledged before, and acknowledge it (RFC 7252 §5.2.2)."""
        loop = asyncio.get_running_loop()
        while True:
            message = await loop.sock_recv(self._socket, 2_048)
            if message[1] >= _FIRST_RESPONSE:
                await loop.sock_sendto(self._socket, b"\x60\x00" + message[2:4], self._to)
                return message

"""Many devices that register once, each from a socket of its own that is closed afterwards."""

import asyncio
import os
import socket
from collections.abc import Sequence

_ATTEMPTS = 5
_ACK_TIMEOUT = 4.0
_AT_ONCE = 250
_CREATED = 0x41
_OBJECTS = b'</>;rt="oma.lwm2m";ct=110,</1/0>,</3/0>,</4/0>,</5/0>,</19/0>'


async def register_all(port: int, endpoints: Sequence[str]) -> None:
    """Register devices in queue mode for a day; fails if one is not answered 2.01.

    Args:
        port: UDP port of the gateway.
        endpoints: Endpoint client names that the platform knows.
    """
    for start in range(0, len(endpoints), _AT_ONCE):
        await asyncio.gather(*(_register(port, endpoint) for endpoint in endpoints[start : start + _AT_ONCE]))


async def _register(port: int, endpoint: str) -> None:
    datagram = _datagram(endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)  # noqa: FBT003 - the standard library's signature
        client.connect(("127.0.0.1", port))
        for _ in range(_ATTEMPTS):
            client.send(datagram)
            try:
                answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1_024), _ACK_TIMEOUT)
            except TimeoutError:
                continue
            assert answer[1] == _CREATED, answer
            return
    raise AssertionError(f"{endpoint} was not answered")


def _datagram(endpoint: str) -> bytes:
    """Return a Confirmable POST to `/rd` with an object list in link format."""
    ep, *others = (b"ep=" + endpoint.encode(), b"lt=86400", b"lwm2m=1.1", b"Q")
    options = b"\xb2rd\x11\x28" + _query(3, ep) + b"".join(_query(0, other) for other in others)
    return b"\x44\x02" + os.urandom(6) + options + b"\xff" + _OBJECTS


def _query(delta: int, value: bytes) -> bytes:
    """Return a Uri-Query option."""
    one_byte = 13
    if len(value) < one_byte:
        return bytes((delta << 4 | len(value),)) + value
    return bytes((delta << 4 | one_byte, len(value) - one_byte)) + value

"""A server that was away is heard again: an ICMP error must not make a device deaf."""

import asyncio
import socket

import uvloop

from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Radio
from sluice_simulator.link import Link


def server(port: int = 0) -> socket.socket:
    """Return a socket that a link can talk to."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("127.0.0.1", port))
    return found


async def heard_after_an_outage() -> list[bytes]:
    """Return what a device hears of a server that came back after some packets to nobody."""
    away = server()
    port = away.getsockname()[1]
    away.close()
    received: list[bytes] = []
    loop = asyncio.get_running_loop()
    link = Link(loop, ("127.0.0.1", port), Radio(), None, Dice(1, "device"))
    link.received = received.append
    for _ in range(3):
        link.send(b"lost")
        await asyncio.sleep(0.05)
    back = server(port)
    link.send(b"hello")
    async with asyncio.timeout(5):
        _, device = await asyncio.to_thread(_receive, back)
        back.sendto(b"welcome back", device)
        while not received:
            await asyncio.sleep(0.01)
    link.close()
    back.close()
    return received


def _receive(server: socket.socket) -> tuple[bytes, tuple[str, int]]:
    server.settimeout(5)
    return server.recvfrom(100)


def test_a_device_hears_a_server_that_was_away() -> None:
    assert asyncio.run(heard_after_an_outage()) == [b"welcome back"]


def test_a_device_hears_a_server_that_was_away_with_uvloop_too() -> None:
    assert uvloop.run(heard_after_an_outage()) == [b"welcome back"]

"""A link over real sockets on loopback: loss, delay, repetition, sleep, silence."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Radio
from sluice_simulator.link import Link, resolve


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """The other end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.settimeout(0)
        yield one


class Device:
    def __init__(self, peer: socket.socket, radio: Radio | None = None, awake_seconds: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.received: list[bytes] = []
        self.link = Link(loop, peer.getsockname(), radio or Radio(), awake_seconds, Dice(1))
        self.link.received = self.received.append
        self.address = ("127.0.0.1", self.link.local_port)


def received(peer: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(peer.recv(100))
        except BlockingIOError:
            return found


async def test_packets_go_both_ways(peer: socket.socket) -> None:
    device = Device(peer)
    device.link.send(b"up")
    peer.sendto(b"down", device.address)
    await asyncio.sleep(0.05)
    assert (received(peer), device.received) == ([b"up"], [b"down"])
    device.link.close()


async def test_a_link_loses_the_same_packets_for_the_same_dice(peer: socket.socket) -> None:
    runs = []
    for _ in range(2):
        device = Device(peer, Radio(loss=0.4))
        for number in range(40):
            device.link.send(b"%d" % number)
        await asyncio.sleep(0.05)
        runs.append(received(peer))
        device.link.close()
    assert runs[0] == runs[1]
    assert 12 < len(runs[0]) < 36


async def test_a_slow_link_delays_both_ways(peer: socket.socket) -> None:
    device = Device(peer, Radio(delay_seconds=0.2))
    device.link.send(b"up")
    peer.sendto(b"down", device.address)
    await asyncio.sleep(0.05)
    assert (received(peer), device.received) == ([], [])
    await asyncio.sleep(0.4)
    assert (received(peer), device.received) == ([b"up"], [b"down"])
    device.link.close()


async def test_air_that_repeats_lets_packets_arrive_twice_in_either_direction(peer: socket.socket) -> None:
    device = Device(peer, Radio(repeats=1.0))
    device.link.send(b"up")
    peer.sendto(b"down", device.address)
    seen: list[bytes] = []
    async with asyncio.timeout(10.0):
        while len(seen) < 2 or len(device.received) < 2:
            await asyncio.sleep(0.01)
            seen += received(peer)
    assert (seen, device.received) == ([b"up", b"up"], [b"down", b"down"])
    device.link.close()


async def test_a_sleeper_hears_for_a_while_after_it_spoke(peer: socket.socket) -> None:
    device = Device(peer, awake_seconds=60.0)
    peer.sendto(b"asleep", device.address)
    await asyncio.sleep(0.05)
    device.link.send(b"up")
    peer.sendto(b"awake", device.address)
    await asyncio.sleep(0.05)
    assert device.received == [b"awake"]
    device.link.awake_until = 0.0
    device.link.busy = True
    peer.sendto(b"busy", device.address)
    await asyncio.sleep(0.05)
    assert device.received == [b"awake", b"busy"]
    device.link.close()


async def test_a_silenced_link_keeps_its_port_and_hears_nothing(peer: socket.socket) -> None:
    device = Device(peer)
    device.link.silence()
    peer.sendto(b"down", device.address)
    await asyncio.sleep(0.05)
    peer.sendto(b"down", device.address)  # an ICMP error of the first would be raised here
    assert device.received == []
    device.link.close()


async def test_nobody_at_the_other_end_is_like_loss(peer: socket.socket) -> None:
    device = Device(peer)
    peer.close()
    for _ in range(3):
        device.link.send(b"up")
        await asyncio.sleep(0.02)
    device.link.close()
    device.link.send(b"after the end")
    assert device.received == []


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_server_that_was_away_is_heard_again(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def goes_and_comes() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as before:
            before.bind(("127.0.0.1", 0))
            address = before.getsockname()
            device = Device(before)
        for pause in (0.02, 0.0, 0.0, 0.02):  # errors that receiving meets, and errors that sending meets
            device.link.send(b"up")
            await asyncio.sleep(pause)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as after:
            after.bind(address)
            after.sendto(b"back", device.address)
            await asyncio.sleep(0.05)
        assert device.received == [b"back"]
        device.link.close()

    run(goes_and_comes())


def test_a_name_is_resolved_to_an_address() -> None:
    assert resolve("127.0.0.1", 5683) == ("127.0.0.1", 5683)
    with pytest.raises(socket.gaierror):
        resolve("nowhere.invalid", 5683)

"""A device's UDP socket with what the air does to it: loss, delay, repetition, sleep, silence. It knows no CoAP.

One plain non-blocking socket, watched by the event loop: asyncio's datagram transports cost five times the CPU per
packet (figures in the README).
"""

import asyncio
import math
import socket
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Radio

Address = tuple[str, int]
"""IP address and port."""

_MAX_DATAGRAM_BYTES: Final = 2048
_REPEATED_AFTER: Final = 0.15
"""Seconds from a datagram to its repetition: others come between the two."""


@lru_cache(maxsize=64)
def resolve(host: str, port: int) -> Address:
    """The first UDP address of a host name.

    Raises:
        OSError: The name cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4]
    return str(found[0]), int(found[1])


def _ignore(_: bytes) -> None:
    """Nobody is there yet."""


class Link:
    """One local port connected to one remote address.

    Args:
        loop: The event loop that watches the socket.
        remote: Where packets go; packets from elsewhere are not seen.
        radio: Loss and delay.
        awake_seconds: How long the device listens after it sent; None if always.
        dice: Decides which packets are lost.

    Attributes:
        received: Called with each datagram that reaches the listening device; nothing at first.
        awake_until: Monotonic time up to which the device listens; infinity if always.
        busy: While set the device listens however long ago it sent.
    """

    __slots__ = (
        "_awake_seconds",
        "_dice",
        "_loop",
        "_plain",
        "_radio",
        "_socket",
        "_watched",
        "awake_until",
        "busy",
        "received",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        remote: Address,
        radio: Radio,
        awake_seconds: float | None,
        dice: Dice,
    ) -> None:
        self._loop = loop
        self._radio = radio
        self._awake_seconds = awake_seconds
        self._dice = dice
        self.received: Callable[[bytes], None] = _ignore
        self._plain = awake_seconds is None and radio == Radio()
        self.awake_until = math.inf if awake_seconds is None else 0.0
        self.busy = False
        family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._socket.connect(remote)
        self._watched = True
        loop.add_reader(self._socket, self._readable)

    @property
    def local_port(self) -> int:
        """The port that the platform sees."""
        return int(self._socket.getsockname()[1])

    @property
    def listening(self) -> bool:
        """Return whether a packet would reach the device now."""
        return self.busy or self.awake_until > time.monotonic()

    def send(self, data: bytes) -> None:
        """Send one datagram, or lose it; either way the awake window starts anew."""
        if self._plain:
            self._transmit(data)
            return
        if self._awake_seconds is not None:
            self.awake_until = time.monotonic() + self._awake_seconds
        if not self._is_lost():
            self._arrive(self._transmit, data)

    def silence(self) -> None:
        """Never receive again, with the port still bound: a dead device sends no ICMP errors."""
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._socket)

    def close(self) -> None:
        """Give the port back."""
        self.silence()
        self._socket.close()

    def _transmit(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError:
            self._watch_anew()  # a full buffer or the ICMP error of an earlier packet: to a device both are loss

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_MAX_DATAGRAM_BYTES)
        except OSError:
            self._watch_anew()  # an ICMP error: nobody listens there now, and retransmission deals with it
            return
        if self._plain:
            self.received(data)
        elif self.listening and not self._is_lost():
            self._arrive(self.received, data)

    def _arrive(self, there: Callable[[bytes], None], data: bytes) -> None:
        """Hand a datagram over as late, and as often, as the air has it."""
        delay = self._radio.delay_seconds
        if delay:
            self._loop.call_later(delay, there, data)
        else:
            there(data)
        if self._radio.repeats and self._dice.chance(self._radio.repeats):
            self._loop.call_later(delay + _REPEATED_AFTER, there, data)

    def _watch_anew(self) -> None:
        """Libuv stops watching a socket that reported an error (uv__poll_io), whoever took the error."""
        if self._watched:
            self._loop.remove_reader(self._socket)
            self._loop.add_reader(self._socket, self._readable)

    def _is_lost(self) -> bool:
        return self._radio.loss > 0 and self._dice.chance(self._radio.loss)

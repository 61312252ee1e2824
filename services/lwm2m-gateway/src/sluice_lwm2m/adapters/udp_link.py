"""Plain CoAP over one UDP socket (RFC 7252 §3): a peer is an address."""

import asyncio
import socket
from functools import lru_cache
from typing import Any

from sluice_lwm2m.adapters.link import Hear
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted, Counters

_PEERS_KEPT = 16_384
"""Those that have spoken last; to make one anew costs more than to find it."""


class Traffic:
    """What goes one way, counted at the cost of an index: a block of an image costs microseconds.

    Attributes:
        messages: Datagrams by the byte where CoAP has its code (RFC 7252 §3).
        octets: All their bytes.
    """

    def __init__(self) -> None:
        self.messages = [0] * 256
        self.octets = 0

    def note(self, datagram: bytes) -> None:
        """Count a datagram."""
        self.octets += len(datagram)
        if len(datagram) > 1:
            self.messages[datagram[1]] += 1


class UdpLink(asyncio.DatagramProtocol):
    """Implements `sluice_lwm2m.adapters.link.Link`."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._hear: Hear
        self.received, self.sent = Traffic(), Traffic()
        self._transport: Any = None
        self._peer_at = lru_cache(maxsize=_PEERS_KEPT)(Peer)

    def hear_by(self, hear: Hear) -> None:
        """Set who takes what is received."""
        self._hear = hear

    async def open(self, bound: socket.socket) -> None:
        """Begin to receive from a bound socket, which `close` closes."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=bound)

    @property
    def is_open(self) -> bool:
        """Return whether datagrams are received."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Receive and send nothing more."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Hand a datagram on."""
        self.received.note(data)
        self._hear(data, self._peer_at(addr))

    def error_received(self, exc: Exception) -> None:
        """Ignore what ICMP says: anybody can send it, and a device that is gone answers no request either."""

    def send(self, datagram: bytes, peer: Peer) -> None:
        """Send; what the socket cannot take is lost."""
        try:
            self._transport.sendto(datagram, peer.address)
            self.sent.note(datagram)
        except (OSError, ValueError):  # no route; an address of the other family; closed meanwhile
            self._counters[Counted.UNSENT] += 1

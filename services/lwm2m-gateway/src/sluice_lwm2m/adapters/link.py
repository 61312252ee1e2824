"""A link: sends datagrams to peers and hears them. All above it is the same whatever secures the datagrams."""

from collections.abc import Callable
from typing import Protocol

from sluice_lwm2m.domain.coap.peer import Peer

Hear = Callable[[bytes, Peer], None]
Send = Callable[[bytes, Peer], None]


class Link(Protocol):
    """What the message layer needs of UDP, or of DTLS over it."""

    def hear_by(self, hear: Hear) -> None:
        """Set who takes what is received, and from whom; must be done before anything is."""

    def send(self, datagram: bytes, peer: Peer) -> None:
        """Send; what cannot be sent is lost, as any datagram may be."""

    def close(self) -> None:
        """Receive and send nothing more."""

"""Who a message comes from and an answer goes to, over whichever link; opaque to all that handles messages."""

from typing import NamedTuple

from sluice_lwm2m.domain.coap.addresses import Address, address_text, network_of, parse_address

PLAIN = "coap"
"""The link over UDP without security."""


class Peer(NamedTuple):
    """One end of a link: what RFC 7252 calls an endpoint (§1.2, over DTLS §9.1.1).

    Peers are compared and hashed; who else looks into one wants its text or its network, for people and for limits.

    Attributes:
        address: Where it is, or was when its association began.
        link: Name of the link that it speaks over, and that takes what is for it.
        association: Number of its security association within the link; 0 over plain CoAP.
        identity: Who it is, as the link has made sure of; empty over plain CoAP.
    """

    address: Address
    link: str = PLAIN
    association: int = 0
    identity: str = ""

    @property
    def text(self) -> str:
        """`host:port`."""
        return address_text(self.address)

    @property
    def network(self) -> str:
        """The IP address, of IPv6 the /64."""
        return network_of(self.address)


def parse_peer(text: str) -> Peer:
    """Return the peer of plain CoAP at `host:port`.

    Raises:
        PoisonError: No such text.
    """
    return Peer(parse_address(text))

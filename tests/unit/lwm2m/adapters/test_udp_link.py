"""The link over UDP, with real sockets."""

import asyncio
import socket

from sluice_lwm2m.adapters.udp_link import UdpLink
from sluice_lwm2m.adapters.udp_socket import bind
from sluice_lwm2m.domain.coap.peer import PLAIN, Peer
from sluice_lwm2m.domain.counters import Counted, Counters


async def test_what_a_peer_sends_is_heard_from_it_and_what_it_is_sent_reaches_it() -> None:
    received: asyncio.Queue[tuple[bytes, Peer]] = asyncio.Queue()
    link = UdpLink(Counters())
    link.hear_by(lambda data, peer: received.put_nowait((data, peer)))
    bound = bind("127.0.0.1", 0, 65_536)
    await link.open(bound)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(10)
        device.sendto(b"hello", bound.getsockname())
        data, peer = await asyncio.wait_for(received.get(), 10)
        assert (data, peer) == (b"hello", Peer(device.getsockname()))
        assert (peer.link, peer.association, peer.identity) == (PLAIN, 0, "")
        link.send(b"back", peer)
        assert await asyncio.to_thread(device.recv, 10) == b"back"
    link.close()


def test_what_cannot_be_sent_is_lost_and_counted() -> None:
    counters = Counters()
    link = UdpLink(counters)

    class Closed(asyncio.DatagramTransport):
        """Sends nothing more."""

        def sendto(self, data: object, addr: object = None) -> None:  # noqa: ARG002 - the transport's signature
            """Fail."""
            raise OSError("no route")

    link.connection_made(Closed())
    link.send(b"lost", Peer(("192.0.2.1", 1)))
    assert counters[Counted.UNSENT] == 1


def test_peers_of_different_links_or_associations_are_different_at_the_same_address() -> None:
    here = ("192.0.2.1", 5684)
    assert len({Peer(here), Peer(here, "coaps", 1, "a"), Peer(here, "coaps", 2, "a")}) == 3
    assert Peer(here, "coaps", 1, "a").text == Peer(here).text

"""Responses to requests that were acknowledged before: Confirmable, repeated until acknowledged (RFC 7252 §5.2.2).

One is repeated as long as it is true, and its address is still whose it was.
"""

import asyncio
from collections.abc import Iterator
from random import random

from sluice_lwm2m.adapters.link import Send
from sluice_lwm2m.domain.address_owners import AddressOwners
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import IsCurrent
from sluice_lwm2m.domain.coap.transmission import Transmission

_Key = tuple[Peer, int]


class LateResponses:
    """The late responses that nobody has acknowledged yet.

    Args:
        send: Sends a datagram.
        transmission: How they are repeated.
        limit: How many are repeated at once; any more is sent once.
        owners: Who has which address.
    """

    def __init__(self, send: Send, transmission: Transmission, limit: int, owners: AddressOwners) -> None:
        self._send = send
        self._transmission = transmission
        self._limit = limit
        self._owners = owners
        self._open: dict[_Key, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._open)

    def send(self, datagram: bytes, remote: Peer, mid: int, is_current: IsCurrent | None = None) -> None:
        """Send a Confirmable response with this Message ID."""
        if len(self._open) >= self._limit:
            self._send(datagram, remote)
            return
        owner = self._owners.owner(remote)

        def is_due() -> bool:
            return self._owners.owner(remote) is owner and (is_current is None or is_current())

        chance = random()  # noqa: S311 - RFC 7252 asks for spread, not for secrecy
        self._transmit((remote, mid), datagram, self._transmission.timeouts(chance), is_due)

    def take_reply(self, message: Message, remote: Peer) -> bool:
        """Take an Acknowledgement or Reset; return whether it was expected."""
        timer = self._open.pop((remote, message.mid), None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def close(self) -> None:
        """Repeat nothing any more."""
        for timer in self._open.values():
            timer.cancel()
        self._open.clear()

    def _transmit(self, key: _Key, datagram: bytes, timeouts: Iterator[float], is_due: IsCurrent) -> None:
        self._open.pop(key, None)
        timeout = next(timeouts, None)
        if timeout is not None and is_due():
            self._send(datagram, key[0])
            loop = asyncio.get_running_loop()
            self._open[key] = loop.call_later(timeout, self._transmit, key, datagram, timeouts, is_due)

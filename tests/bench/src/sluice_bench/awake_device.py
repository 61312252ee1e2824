"""An LwM2M device that never sleeps and answers every request at once, with the times at which it was asked."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

from sluice_demo.devices import DevicesError
from sluice_simulator import packet as coap
from sluice_simulator.packet import Packet

_REGISTRATION_DEADLINE = 30.0
_RETRANSMIT = 2.0
_LINKS = b'</>;rt="oma.lwm2m",</1/0>,</3/0>,</5/0>'
_VALUE = b"bench"
_PLAIN_TEXT = b""
"""Content-Format 0 (RFC 7252 §3.2: no bytes)."""


class AwakeDevice(asyncio.DatagramProtocol):
    """One device; use `register` to get one.

    Attributes:
        asked_at: Queue of (path, monotonic seconds) of the requests that it was sent.
        registered: Set once the gateway has taken it.
    """

    def __init__(self) -> None:
        self.asked_at: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self.registered = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def register(cls, gateway: str, endpoint: str) -> Self:
        """Return a device that is registered for a day.

        Args:
            gateway: `coap://host:port`.
            endpoint: Endpoint client name.

        Raises:
            DevicesError: The gateway did not take it in time.
        """
        address = urlsplit(gateway)
        transport, device = await asyncio.get_running_loop().create_datagram_endpoint(
            cls, remote_addr=(address.hostname or "", address.port or 5683)
        )
        query = [(coap.URI_QUERY, part.encode()) for part in (f"ep={endpoint}", "lt=86400", "lwm2m=1.1", "b=U")]
        options = coap.encode_options([*coap.path_options("/rd"), (coap.CONTENT_FORMAT, b"\x28"), *query])
        message = coap.encode(coap.CON, coap.POST, 1, b"r", options=options, payload=_LINKS)
        until = time.monotonic() + _REGISTRATION_DEADLINE
        while not device.registered.is_set():
            if time.monotonic() > until:
                raise DevicesError(f"{endpoint} could not register")
            transport.sendto(message)
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRANSMIT):
                    await device.registered.wait()
        return device

    def close(self) -> None:
        """Leave without a word."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        """Keep the socket."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Answer."""
        now = time.monotonic()
        packet = coap.decode(data)
        if packet.code == coap.CREATED:
            self.registered.set()
            if packet.kind == coap.CON and self._transport is not None:  # the request was acknowledged before
                self._transport.sendto(coap.encode(coap.ACK, coap.EMPTY, packet.mid, b""))
        elif packet.is_request and self._transport is not None:
            self._transport.sendto(_answer(packet))
            self.asked_at.put_nowait((packet.path, now))


def _answer(request: Packet) -> bytes:
    options = coap.encode_options([(coap.CONTENT_FORMAT, _PLAIN_TEXT)])
    return coap.encode(coap.ACK, coap.CONTENT, request.mid, request.token, options=options, payload=_VALUE)

"""The CoAP endpoint: one UDP socket for registrations, requests to devices and images (RFC 7252 §4).

GET requests go straight to the image server and are answered at once: they are safe and idempotent, so they need
neither a task nor a place among the duplicates, and a block costs microseconds. Everything else is checked for
duplicates and worked on in a task. Whatever a datagram holds, it is answered, rejected or counted, and raises nothing.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog

from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.codec import MessageFormatError, NotCoapError
from sluice_lwm2m.domain.coap.duplicates import Duplicates, Key, key_of
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.request_response import Response
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counted, Counters

_log = structlog.get_logger()
_GET = bytes((coap.GET,))


class Limits(msgspec.Struct, frozen=True):
    """What bounds the endpoint's work.

    Attributes:
        datagram: Bytes of the largest datagram that is taken.
        pending: Requests being worked on at once; more are dropped and will be retransmitted.
        handling: Seconds after which a request that is worked on is answered 5.03.
    """

    datagram: int
    pending: int
    handling: float


OnGet = Callable[[Message, Address], None]
OnRequest = Callable[[Message, Address], Awaitable[Response]]
OnNotification = Callable[[Message, Address], Awaitable[None]]
OnUnmatched = Callable[[Address], None]


class Endpoint(asyncio.DatagramProtocol):
    """Receives messages and sends answers; callbacks know what messages mean."""

    def __init__(self, transmission: Transmission, limits: Limits, duplicates: Duplicates, counters: Counters) -> None:
        self.exchanges = Exchanges(self.send, transmission)
        self._limits = limits
        self._duplicates = duplicates
        self._counters = counters
        self._socket: socket.socket | None = None
        self._transport: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(
        self,
        *,
        on_get: OnGet,
        on_request: OnRequest,
        is_observed: Callable[[bytes], bool],
        on_notification: OnNotification,
        on_unmatched: OnUnmatched,
        next_mid: Callable[[Address], int],
    ) -> None:
        """Set the callbacks, before the socket is opened.

        Args:
            on_get: Takes a GET request, and answers it by `respond`.
            on_request: Answers any other request.
            is_observed: Whether a token is an observation's.
            on_notification: Takes a notification of such an observation; it is acknowledged when done.
            on_unmatched: Takes the sender of a response or a notification that belongs to no request or observation.
            next_mid: Message ID of the next message to an address that does not acknowledge one.
        """
        self._on_get = on_get
        self._on_request = on_request
        self._is_observed = is_observed
        self._on_notification = on_notification
        self._on_unmatched = on_unmatched
        self._next_mid = next_mid

    def bind(self, host: str, port: int, buffer: int) -> socket.socket:
        """Return the socket of the endpoint; datagrams wait in its buffer until the endpoint is opened.

        Args:
            host: Address to listen on; `::` serves IPv4 too.
            port: UDP port.
            buffer: Bytes wanted for the receive and the send buffer each; the kernel may grant less.

        Raises:
            OSError: The port is taken, or there is no such address.
        """
        self._socket = bind(host, port, buffer)
        return self._socket

    async def open(self) -> None:
        """Begin to receive."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=self._socket)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def send(self, datagram: bytes, remote: Address) -> None:
        """Send; what the socket cannot take is lost, as any datagram may be."""
        try:
            self._transport.sendto(datagram, remote)
        except (OSError, ValueError):  # no route; an address of the other family; closed meanwhile
            self._counters[Counted.UNSENT] += 1

    def datagram_received(self, data: bytes, remote: Address) -> None:
        """Take one datagram."""
        if len(data) > self._limits.datagram:
            self._counters[Counted.OVERSIZED] += 1
        elif data[1:2] == _GET:
            self._take_get(data, remote)
        else:
            self._take(data, remote)

    def respond(self, request: Message, remote: Address, code: int, options: bytes = b"", payload: bytes = b"") -> None:
        """Answer a request; the options are encoded."""
        self.send(self._response(request, remote, code, options, payload), remote)

    def error_received(self, exc: Exception) -> None:
        """Ignore what ICMP says: anybody can send it, and a device that is gone answers no request either."""

    async def close(self) -> None:
        """Stop receiving and let requests that are being worked on end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._limits.handling)
        if self._transport is not None:
            self._transport.close()

    def _take_get(self, data: bytes, remote: Address) -> None:
        request = self._decode(data, remote)
        if request is not None and request.kind <= coap.NON:
            self._on_get(request, remote)

    def _take(self, data: bytes, remote: Address) -> None:
        key = key_of(remote, data)
        if (answer := self._duplicates.find(key, time.monotonic())) is not None:
            self._counters[Counted.DUPLICATES] += 1
            if answer:
                self.send(answer, remote)
        elif (message := self._decode(data, remote)) is not None:
            self._dispatch(key, message)

    def _decode(self, data: bytes, remote: Address) -> Message | None:
        """Return the message in a datagram; None if it is malformed: ignored or rejected (RFC 7252 §4.2, §4.3)."""
        try:
            return codec.decode(data)
        except NotCoapError:
            self._counters[Counted.MALFORMED] += 1
        except MessageFormatError as error:
            self._counters[Counted.MALFORMED] += 1
            if error.kind == coap.CON:
                self.send(codec.header(coap.RST, coap.EMPTY, error.mid), remote)
        return None

    def _dispatch(self, key: Key, message: Message) -> None:
        if message.kind in {coap.ACK, coap.RST}:
            if not self.exchanges.take_reply(message, key[0]):
                self._count_unmatched(key[0])
        elif message.is_request:
            self._begin(key, self._answer(key, message))
        elif message.is_response:
            self._take_response(key, message)
        elif message.kind == coap.CON:  # a ping (RFC 7252 §4.3) or a reserved code
            self._reset(message, key[0])

    def _take_response(self, key: Key, message: Message) -> None:
        if self.exchanges.take_response(message, key[0]):
            self._acknowledge(key, message)
        elif self._is_observed(message.token):
            self._begin(key, self._notify(key, message))
        else:
            self._reset(message, key[0])
            self._count_unmatched(key[0])

    def _begin(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= self._limits.pending:
            self._counters[Counted.OVERLOADED] += 1
            work.close()
            return
        self._duplicates.note(key, b"", time.monotonic())
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, key: Key, request: Message) -> None:
        try:
            async with asyncio.timeout(self._limits.handling):
                answer = await self._on_request(request, key[0])
        except Exception:  # noqa: BLE001 - the last barrier: the device gets an answer whatever went wrong here
            _log.warning("request_failed", exc_info=True)
            self._counters[Counted.FAILED] += 1
            answer = Response(coap.SERVICE_UNAVAILABLE)
        options = codec.encode_options(answer.options)
        datagram = self._response(request, key[0], answer.code, options, answer.payload)
        self._duplicates.note(key, datagram, time.monotonic())
        self.send(datagram, key[0])

    def _response(self, request: Message, remote: Address, code: int, options: bytes, payload: bytes) -> bytes:
        """Return the datagram that answers: in the acknowledgement, or Non-confirmable as the request was."""
        confirmable = request.kind == coap.CON
        kind, mid = (coap.ACK, request.mid) if confirmable else (coap.NON, self._next_mid(remote))
        tail = b"\xff" + payload if payload else b""
        return codec.header(kind, code, mid, request.token) + options + tail

    async def _notify(self, key: Key, message: Message) -> None:
        try:
            async with asyncio.timeout(self._limits.handling):
                await self._on_notification(message, key[0])
        except Exception:  # noqa: BLE001 - as above: not acknowledged, so that the device repeats it
            _log.warning("notification_failed", exc_info=True)
            self._counters[Counted.FAILED] += 1
            self._duplicates.forget(key)
        else:
            self._acknowledge(key, message)

    def _acknowledge(self, key: Key, message: Message) -> None:
        if message.kind == coap.CON:
            datagram = codec.header(coap.ACK, coap.EMPTY, message.mid)
            self._duplicates.note(key, datagram, time.monotonic())
            self.send(datagram, key[0])

    def _count_unmatched(self, remote: Address) -> None:
        self._counters[Counted.UNEXPECTED] += 1
        self._on_unmatched(remote)

    def _reset(self, message: Message, remote: Address) -> None:
        self.send(codec.header(coap.RST, coap.EMPTY, message.mid), remote)


def bind(host: str, port: int, buffer: int) -> socket.socket:
    """Return the bound socket, whose port no other process can share; as `Endpoint.bind`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    endpoint = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            endpoint.setsockopt(socket.SOL_SOCKET, option, buffer)
        endpoint.bind(address)
        endpoint.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except OSError:
        endpoint.close()
        raise
    return endpoint

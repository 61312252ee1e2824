"""The CoAP message layer: registrations, requests to devices and images over one link (RFC 7252 §4).

GET requests go straight to the image server and are answered at once: they are safe and idempotent, so they need
neither a task nor a place among the duplicates, and a block costs microseconds. Everything else is checked for
duplicates and worked on in a task. Whatever a datagram holds, it is answered, rejected or counted, and raises nothing.
"""

import time
from collections.abc import Callable

import structlog

from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.adapters.late_responses import LateResponses
from sluice_lwm2m.adapters.link import Link
from sluice_lwm2m.adapters.request_tasks import ASK_AGAIN, Limits, OnCheck, OnNotification, OnRequest, RequestTasks
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.codec import MessageFormatError, NotCoapError
from sluice_lwm2m.domain.coap.duplicates import Duplicates, Key
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import Response
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_GET = bytes((coap.GET,))
_SOON = codec.encode_options(((coap.MAX_AGE, coap.uint_bytes(ASK_AGAIN)),))
"""Options of every 5.03."""

OnGet = Callable[[Message, Peer], None]
OnUnmatched = Callable[[Peer], None]


class Endpoint:
    """Receives messages and sends answers; callbacks know what messages mean."""

    def __init__(
        self,
        link: Link,
        transmission: Transmission,
        limits: Limits,
        duplicates: Duplicates,
        counters: Counters,
        *,
        sessions: Sessions,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            link: Sends and hears datagrams.
            transmission: How requests to devices are repeated.
            limits: Of what is received.
            duplicates: What was answered.
            counters: Count what is malformed or dropped.
            sessions: Who has which address, and the Message IDs of messages to it.
            clock: Seconds since 1970.
        """
        self.exchanges = Exchanges(link.send, transmission, sessions.owners, clock)
        self._late = LateResponses(link.send, transmission, limits.pending, sessions.owners)
        self._link = link
        self._is_closing = False
        self._limits = limits
        self._duplicates = duplicates
        self._counters = counters
        self._next_mid = sessions.next_mid

    def serve(
        self,
        *,
        on_get: OnGet,
        on_check: OnCheck,
        on_request: OnRequest,
        is_observed: Callable[[bytes, Peer], bool],
        on_notification: OnNotification,
        on_unmatched: OnUnmatched,
    ) -> None:
        """Set the callbacks, and hear the link from now on.

        Args:
            on_get: Takes a GET request, and answers it by `respond`.
            on_check: Returns the refusal of any other request that nothing is done for, None for what is answered.
            on_request: Answers that.
            is_observed: Whether a token is an observation's, and may be from an address.
            on_notification: Takes a notification of such an observation; it is acknowledged when done.
            on_unmatched: Takes the sender of a response or a notification that belongs to no request or observation.
        """
        self._on_get = on_get
        self._is_observed = is_observed
        self._on_unmatched = on_unmatched
        self._tasks = RequestTasks(
            on_check=on_check,
            on_request=on_request,
            on_notification=on_notification,
            respond=self._response_datagram,
            respond_late=self._respond_late,
            send=self._link.send,
            limits=self._limits,
            duplicates=self._duplicates,
            counters=self._counters,
        )
        self._link.hear_by(self.receive)

    async def close(self) -> None:
        """Begin nothing more, let what is being worked on end, and close the link."""
        self._is_closing = True
        await self._tasks.close()
        self._late.close()
        self._link.close()

    def receive(self, data: bytes, remote: Peer) -> None:
        """Take one datagram."""
        if self._is_closing:
            return
        try:
            if len(data) > self._limits.datagram:
                self._counters[Counted.OVERSIZED] += 1
            elif data[1:2] == _GET:
                self._take_get(data, remote)
            else:
                self._take(data, remote)
        except Exception:  # noqa: BLE001 - the last barrier: whatever a datagram sets off, the next one is taken
            _log.warning("datagram_failed", exc_info=True)
            self._counters[Counted.FAILED] += 1

    def respond(self, request: Message, remote: Peer, code: int, options: bytes = b"", payload: bytes = b"") -> None:
        """Answer in the acknowledgement, or Non-confirmable as the request was; the options are encoded."""
        self._link.send(self._datagram(request, remote, code, options, payload), remote)

    def _response_datagram(self, request: Message, remote: Peer, response: Response) -> bytes:
        options = codec.encode_options(response.options)
        return self._datagram(request, remote, response.code, options, response.payload)

    def _respond_late(self, request: Message, remote: Peer, response: Response) -> bytes:
        mid, options = self._next_mid(remote), codec.encode_options(response.options)
        header = codec.header(coap.CON, response.code, mid, request.token)
        datagram = header + _tail(response.code, options, response.payload)
        self._late.send(datagram, remote, mid, response.is_current)
        return datagram

    def _datagram(self, request: Message, remote: Peer, code: int, options: bytes, payload: bytes) -> bytes:
        confirmable = request.kind == coap.CON
        kind, mid = (coap.ACK, request.mid) if confirmable else (coap.NON, self._next_mid(remote))
        return codec.header(kind, code, mid, request.token) + _tail(code, options, payload)

    def _take_get(self, data: bytes, remote: Peer) -> None:
        request = self._decode(data, remote)
        if request is not None and request.kind <= coap.NON:
            self._on_get(request, remote)

    def _take(self, data: bytes, remote: Peer) -> None:
        key = remote, data
        if (answer := self._duplicates.find(key, time.monotonic())) is not None:
            self._counters[Counted.DUPLICATES] += 1
            for datagram in answer:
                self._link.send(datagram, remote)
        elif (message := self._decode(data, remote)) is not None:
            self._dispatch(key, message)

    def _decode(self, data: bytes, remote: Peer) -> Message | None:
        """Return the message in a datagram; None if it is malformed: ignored or rejected (RFC 7252 §4.2, §4.3)."""
        try:
            return codec.decode(data)
        except NotCoapError:
            self._counters[Counted.MALFORMED] += 1
        except MessageFormatError as error:
            self._counters[Counted.MALFORMED] += 1
            if error.kind == coap.CON:
                self._reset(error.mid, remote)
        return None

    def _dispatch(self, key: Key, message: Message) -> None:
        if message.kind in {coap.ACK, coap.RST}:
            if not (self.exchanges.take_reply(message, key[0]) or self._late.take_reply(message, key[0])):
                self._report_unmatched(key[0])
        elif message.is_request:
            self._tasks.answer(key, message)
        elif message.is_response:
            self._take_response(key, message)
        elif message.kind == coap.CON:  # a ping (RFC 7252 §4.3) or a reserved code
            self._reset(message.mid, key[0])

    def _take_response(self, key: Key, message: Message) -> None:
        if message.has_bad_critical_option:  # RFC 7252 §5.4.1, §4.2
            self._counters[Counted.MALFORMED] += 1
            self.exchanges.reject_response(message, key[0])
            self._reset(message.mid, key[0])
        elif self.exchanges.take_response(message, key[0]):
            self._tasks.acknowledge(key, message)
        elif self._is_observed(message.token, key[0]):
            self._tasks.notify(key, message)
        else:
            self._reset(message.mid, key[0])
            self._report_unmatched(key[0])

    def _report_unmatched(self, remote: Peer) -> None:
        self._counters[Counted.UNEXPECTED] += 1
        self._on_unmatched(remote)

    def _reset(self, mid: int, remote: Peer) -> None:
        self._link.send(codec.header(coap.RST, coap.EMPTY, mid), remote)


def _tail(code: int, options: bytes, payload: bytes) -> bytes:
    """Return what follows a header; every 5.03 says when to ask again."""
    return (_SOON if code == coap.SERVICE_UNAVAILABLE else options) + (b"\xff" + payload if payload else b"")

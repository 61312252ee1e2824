"""The message layer of one device: retransmission, deduplication, responses to requests (RFC 7252 §4 and §5.2).

One timer serves all pending messages of a device and moves lazily, so that a block that is answered in time costs none.
What a request means is not known here.
"""

import asyncio
import time
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol

from sluice_simulator import packet as coap
from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Tuning
from sluice_simulator.packet import Option, Packet, PacketError

_REMEMBERED_REQUESTS: Final = 8
_TOKEN_BYTES: Final = 4
_SPARE_SECONDS: Final = 0.001


class Delivery(Enum):
    """What became of a notification."""

    ACKNOWLEDGED = "acknowledged"
    UNCONFIRMED = "unconfirmed"
    """Sent as NON: nobody will tell."""
    REFUSED = "refused"
    """Answered with RST: the other side does not want it (RFC 7641 §3.6)."""
    LOST = "lost"


class Reply(NamedTuple):
    """The answer to a request.

    Attributes:
        code: Response code.
        options: In the order of their numbers.
        payload: Its content.
        then: Called after the answer was sent, once per request, not for duplicates.
    """

    code: int
    options: tuple[Option, ...] = ()
    payload: bytes = b""
    then: Callable[[], None] | None = None


class Memory:
    """What must outlive a reboot at the same port.

    Attributes:
        mid: The last message id sent: none may come back within EXCHANGE_LIFETIME (RFC 7252 §4.4).
        answered: Message ids of requests, until when they count as duplicates, and the answer, None while there is
            none: an Execute that is sent again while the device reboots must not look like a second one.
    """

    __slots__ = ("answered", "mid")

    def __init__(self, mid: int) -> None:
        self.mid = mid
        self.answered: dict[int, tuple[float, bytes | None]] = {}


class Sender(Protocol):
    """What an endpoint needs of a link."""

    def send(self, data: bytes) -> None:
        """Send one datagram."""


class _Exchange:
    """A confirmable message on its way."""

    __slots__ = ("data", "done", "due", "mid", "timeout", "token", "tries")

    def __init__(
        self,
        mid: int,
        token: bytes | None,
        data: bytes,
        done: Callable[[Packet | None, Delivery], None],
        timeout: float,
    ) -> None:
        self.mid = mid
        self.token = token
        self.data = data
        self.done = done
        self.timeout = timeout
        self.due = time.monotonic() + timeout
        self.tries = 0


class Endpoint:
    """One device's end of the conversation.

    Args:
        loop: Runs the retransmission timer.
        link: Sends datagrams; may be replaced when the device changes its port.
        tuning: Transmission parameters.
        dice: First message id, first token and the random factor of time-outs.
        serve: Answers requests; None leaves a request without an answer.
        answer_delay: Seconds before a separate response; 0 for piggybacked ones.
        memory: Of the endpoint before a reboot; None for a new one.
    """

    __slots__ = (
        "_answer_delay",
        "_by_token",
        "_closed",
        "_dice",
        "_first_timeout",
        "_loop",
        "_memory",
        "_non",
        "_pending",
        "_serve",
        "_timer",
        "_timer_at",
        "_token",
        "_tuning",
        "link",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Sender,
        tuning: Tuning,
        dice: Dice,
        serve: Callable[[Packet], Reply | None],
        *,
        answer_delay: float = 0.0,
        memory: Memory | None = None,
    ) -> None:
        self._loop = loop
        self.link = link
        self._tuning = tuning
        self._dice = dice
        self._serve = serve
        self._answer_delay = answer_delay
        self._first_timeout = self._draw_timeout()
        self._token = dice.bits() & 0xFFFFFFFF
        self._pending: dict[int, _Exchange] = {}
        self._by_token: dict[bytes, _Exchange] = {}
        self._memory = Memory(dice.bits() & 0xFFFF) if memory is None else memory
        self._non: tuple[int, Callable[[Delivery], None]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False

    def request(self, code: int, options: bytes, payload: bytes, done: Callable[[Packet | None], None]) -> None:
        """Send a confirmable request.

        Args:
            code: Method.
            options: As `packet.encode_options` makes them.
            payload: Content.
            done: Called once, with the response or with None when none came in time.
        """
        self._token = self._token + 1 & 0xFFFFFFFF
        token = self._token.to_bytes(_TOKEN_BYTES)
        self._confirm(code, token, options, payload, lambda response, _: done(response), awaited=token)

    def notify(self, token: bytes, options: bytes, payload: bytes, done: Callable[[Delivery], None]) -> None:
        """Send a notification as CON; `done` hears what became of it."""
        self._confirm(coap.CONTENT, token, options, payload, lambda _, delivery: done(delivery), awaited=None)

    def notify_unconfirmed(
        self, token: bytes, options: bytes, payload: bytes, done: Callable[[Delivery], None]
    ) -> None:
        """Send a notification as NON; `done` hears a later refusal too."""
        mid = self._next_mid()
        self._non = (mid, done)
        self.link.send(coap.encode(coap.NON, coap.CONTENT, mid, token, options=options, payload=payload))
        done(Delivery.UNCONFIRMED)

    def close(self) -> None:
        """Fall silent and forget every message on its way, as a power cut does: no callback runs any more."""
        self._closed = True
        self._pending.clear()
        self._by_token.clear()
        self._non = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def received(self, data: bytes) -> None:
        """Take one datagram; malformed ones are ignored (RFC 7252 §4.2 allows it)."""
        if self._closed:
            return
        try:
            packet = coap.decode(data)
        except PacketError:
            return
        if packet.kind >= coap.ACK:
            self._closes_message(packet)
        elif packet.is_request:
            self._request_came(packet)
        elif packet.code == coap.EMPTY:
            if packet.kind == coap.CON:  # a CoAP ping (RFC 7252 §4.3)
                self._send_empty(coap.RST, packet.mid)
        else:
            self._separate_response_came(packet)

    def _closes_message(self, packet: Packet) -> None:
        exchange = self._pending.get(packet.mid)
        if exchange is None:
            if packet.kind == coap.RST and self._non is not None and self._non[0] == packet.mid:
                self._non[1](Delivery.REFUSED)
        elif packet.kind == coap.RST:
            self._finish(exchange, None, Delivery.REFUSED)
        elif packet.code != coap.EMPTY:
            if packet.token == exchange.token:
                self._finish(exchange, packet, Delivery.ACKNOWLEDGED)
        elif exchange.token is None:
            self._finish(exchange, None, Delivery.ACKNOWLEDGED)
        else:
            exchange.tries = self._tuning.max_retransmit
            exchange.due = time.monotonic() + self._tuning.response_timeout

    def _separate_response_came(self, packet: Packet) -> None:
        exchange = self._by_token.get(packet.token)
        if packet.kind == coap.CON:
            known = exchange is not None or packet.mid in self._memory.answered
            self._send_empty(coap.ACK if known else coap.RST, packet.mid)
            self._remember(packet.mid, None)
        if exchange is not None:
            self._finish(exchange, packet, Delivery.ACKNOWLEDGED)

    def _request_came(self, packet: Packet) -> None:
        known = self._memory.answered.get(packet.mid)
        if known is not None and known[0] > time.monotonic():
            if known[1] is not None:
                self.link.send(known[1])
            return
        self._remember(packet.mid, None)
        reply = self._serve(packet)
        if reply is None:
            return
        if self._answer_delay and packet.kind == coap.CON:
            self._remember(packet.mid, self._send_empty(coap.ACK, packet.mid))
            self._loop.call_later(self._answer_delay, self._answer_separately, packet.token, reply)
            return
        confirmable = packet.kind == coap.CON
        kind, mid = (coap.ACK, packet.mid) if confirmable else (coap.NON, self._next_mid())
        options = coap.encode_options(reply.options)
        data = coap.encode(kind, reply.code, mid, packet.token, options=options, payload=reply.payload)
        self._remember(packet.mid, data)
        self.link.send(data)
        if reply.then is not None:
            reply.then()

    def _answer_separately(self, token: bytes, reply: Reply) -> None:
        if self._closed:
            return
        options = coap.encode_options(reply.options)
        self._confirm(reply.code, token, options, reply.payload, lambda _, __: None, awaited=None)
        if reply.then is not None:
            reply.then()

    def _confirm(
        self,
        code: int,
        token: bytes,
        options: bytes,
        payload: bytes,
        done: Callable[[Packet | None, Delivery], None],
        *,
        awaited: bytes | None,
    ) -> None:
        mid = self._next_mid()
        data = coap.encode(coap.CON, code, mid, token, options=options, payload=payload)
        exchange = _Exchange(mid, awaited, data, done, self._first_timeout)
        self._pending[mid] = exchange
        if awaited is not None:
            self._by_token[awaited] = exchange
        self._watch(exchange.due)
        self.link.send(data)

    def _finish(self, exchange: _Exchange, response: Packet | None, delivery: Delivery) -> None:
        self._pending.pop(exchange.mid, None)
        if exchange.token is not None:
            self._by_token.pop(exchange.token, None)
        exchange.done(response, delivery)

    def _watch(self, due: float) -> None:
        """See that the timer runs no later than `due`; an earlier one stays."""
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        # The clocks of event loops tick in milliseconds: without the spare the timer would run just too early.
        delay = due - time.monotonic() + _SPARE_SECONDS
        self._timer = self._loop.call_later(max(delay, 0.0), self._check)

    def _draw_timeout(self) -> float:
        """A new initial time-out (RFC 7252 §4.2), drawn at each check and not for each message, to save CPU."""
        return self._tuning.ack_timeout * self._dice.between(1.0, self._tuning.ack_random_factor)

    def _check(self) -> None:
        self._timer = None
        self._first_timeout = self._draw_timeout()
        now = time.monotonic()
        for exchange in [one for one in self._pending.values() if one.due <= now]:
            if exchange.mid not in self._pending:
                continue  # an exchange before it ended this one too
            if exchange.tries >= self._tuning.max_retransmit:
                self._finish(exchange, None, Delivery.LOST)
                continue
            exchange.tries += 1
            exchange.timeout *= 2
            exchange.due = now + exchange.timeout
            self.link.send(exchange.data)
        if self._pending:
            self._watch(min(exchange.due for exchange in self._pending.values()))

    def _remember(self, mid: int, answer: bytes | None) -> None:
        answered = self._memory.answered
        answered.pop(mid, None)
        answered[mid] = (time.monotonic() + self._tuning.exchange_lifetime, answer)
        if len(answered) > _REMEMBERED_REQUESTS:
            del answered[next(iter(answered))]

    def _send_empty(self, kind: int, mid: int) -> bytes:
        data = coap.encode(kind, coap.EMPTY, mid, b"")
        self.link.send(data)
        return data

    def _next_mid(self) -> int:
        self._memory.mid = self._memory.mid + 1 & 0xFFFF
        return self._memory.mid

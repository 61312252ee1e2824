"""Requests to devices: Confirmable, retransmitted, one in flight per device (RFC 7252 §4.2, §4.7, §5.2).

An exchange is one registration's and not an address's: each transmission asks anew where the session is, and an answer
counts if it comes from the session that has the address (`address_owners`).
"""

import asyncio
from collections.abc import Callable, Iterator
from random import random

from sluice_lwm2m.adapters.link import Send
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.address_owners import AddressOwners
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.session import Session


class _Exchange:
    """One request that waits for its response."""

    __slots__ = ("acknowledged", "datagram", "epoch", "future", "mid", "session", "timeouts", "timer", "token")

    def __init__(
        self, session: Session, message: Message, timeouts: Iterator[float], future: "asyncio.Future[Message]"
    ) -> None:
        self.session = session
        self.epoch = session.record.epoch
        self.mid = message.mid
        self.token = message.token
        self.datagram = codec.encode(message)
        self.timeouts = timeouts
        self.future = future
        self.acknowledged = False
        self.timer: asyncio.TimerHandle | None = None


class Exchanges:
    """The requests in flight."""

    def __init__(
        self, send: Send, transmission: Transmission, owners: AddressOwners, clock: Callable[[], float]
    ) -> None:
        """Prepare.

        Args:
            send: Sends a datagram.
            transmission: How requests are repeated.
            owners: Who has which address; requests end with the address of their session.
            clock: Seconds since 1970.
        """
        self._send = send
        self._transmission = transmission
        self._owners = owners
        self._clock = clock
        self._open: dict[Session, _Exchange] = {}
        self.retransmissions = 0
        """Of requests, since the process has started."""
        owners.on_release = self.abort

    def __len__(self) -> int:
        return len(self._open)

    async def request(self, session: Session, message: Message, *, once: bool = False) -> Message:
        """Send a Confirmable request and return the response.

        Args:
            session: The device.
            message: The request.
            once: Whether it is never sent again.

        Raises:
            NoAnswerError: There is none.
        """
        if session in self._open:
            raise NoAnswerError("a request is in flight")
        loop = asyncio.get_running_loop()
        chance = random()  # noqa: S311 - RFC 7252 asks for spread, not for secrecy
        timeouts = self._transmission.timeouts(chance, once=once)
        exchange = self._open[session] = _Exchange(session, message, timeouts, loop.create_future())
        try:
            self._transmit(exchange)
            return await exchange.future
        finally:
            del self._open[session]
            if exchange.timer is not None:
                exchange.timer.cancel()

    def abort(self, session: Session) -> None:
        """End the request in flight to a device, if there is one, with `NoAnswerError`."""
        if exchange := self._open.get(session):
            self._fail(exchange, "aborted")

    def take_reply(self, message: Message, remote: Peer) -> bool:
        """Take an Acknowledgement or Reset; return whether it was expected."""
        exchange = self._asked(remote)
        if exchange is None or exchange.mid != message.mid:
            return False
        if message.kind == coap.RST:
            self._fail(exchange, "the device answered Reset")
        elif message.code == coap.EMPTY:
            self._await_response(exchange)
        elif message.is_response and message.token == exchange.token:
            if message.has_bad_critical_option:
                self._fail(exchange, "a response that must be rejected")
            else:
                self._finish(exchange, message)
        else:
            return False
        return True

    def take_response(self, message: Message, remote: Peer) -> bool:
        """Take a separate response (RFC 7252 §5.2.2); return whether it was expected.

        One that has been answered expects none: what comes with its token then is a notification.
        """
        exchange = self._awaiting(message, remote)
        if exchange is not None:
            self._finish(exchange, message)
        return exchange is not None

    def reject_response(self, message: Message, remote: Peer) -> None:
        """End the request that a separate response is for, if there is one: nobody can understand it."""
        if (exchange := self._awaiting(message, remote)) is not None:
            self._fail(exchange, "a response that must be rejected")

    def _awaiting(self, message: Message, remote: Peer) -> _Exchange | None:
        exchange = self._asked(remote)
        is_open = exchange is not None and exchange.token == message.token and not exchange.future.done()
        return exchange if is_open else None

    def _asked(self, remote: Peer) -> _Exchange | None:
        """Return the request that a message from an address may answer: its owner's."""
        owner = self._owners.owner(remote)
        exchange = None if owner is None else self._open.get(owner)
        return exchange if exchange is not None and self._destination(exchange) == remote else None

    def _destination(self, exchange: _Exchange) -> Peer | None:
        return exchange.session.destination(exchange.epoch, self._clock())

    def _transmit(self, exchange: _Exchange) -> None:
        remote = self._destination(exchange)
        timeout = next(exchange.timeouts, None)
        if remote is None or timeout is None:
            self._fail(exchange, "no address" if remote is None else "no acknowledgement")
            return
        if exchange.timer is not None and self._clock() >= exchange.session.awake_until:
            self._fail(exchange, "asleep")
            return
        self.retransmissions += exchange.timer is not None
        self._send(exchange.datagram, remote)
        exchange.timer = asyncio.get_running_loop().call_later(timeout, self._transmit, exchange)

    def _await_response(self, exchange: _Exchange) -> None:
        if exchange.acknowledged:
            return
        exchange.acknowledged = True
        if exchange.timer is not None:
            exchange.timer.cancel()
        exchange.timer = asyncio.get_running_loop().call_later(
            self._transmission.response_timeout, self._fail, exchange, "acknowledged, but no response"
        )

    @staticmethod
    def _finish(exchange: _Exchange, response: Message) -> None:
        if not exchange.future.done():
            exchange.future.set_result(response)

    @staticmethod
    def _fail(exchange: _Exchange, reason: str) -> None:
        if not exchange.future.done():
            exchange.future.set_exception(NoAnswerError(reason))

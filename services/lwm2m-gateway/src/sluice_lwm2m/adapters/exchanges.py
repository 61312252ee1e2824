"""Requests to devices: Confirmable, retransmitted, one in flight per device (RFC 7252 §4.2, §4.7, §5.2).

One exchange per address is a dictionary look-up per datagram, however many requests are in flight.
"""

import asyncio
from collections.abc import Callable, Iterator
from random import random

from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.transmission import Transmission

Send = Callable[[bytes, Address], None]


class _Exchange:
    """One request that waits for its response."""

    __slots__ = ("acknowledged", "datagram", "future", "mid", "timeouts", "timer", "token")

    def __init__(self, message: Message, timeouts: Iterator[float], future: "asyncio.Future[Message]") -> None:
        self.mid = message.mid
        self.token = message.token
        self.datagram = codec.encode(message)
        self.timeouts = timeouts
        self.future = future
        self.acknowledged = False
        self.timer: asyncio.TimerHandle | None = None


class Exchanges:
    """The requests in flight."""

    def __init__(self, send: Send, transmission: Transmission) -> None:
        self._send = send
        self._transmission = transmission
        self._open: dict[Address, _Exchange] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def request(self, remote: Address, message: Message) -> Message:
        """Send a Confirmable request and return the response.

        Raises:
            NoAnswerError: There is none.
        """
        if remote in self._open:
            raise NoAnswerError("a request is in flight")
        loop = asyncio.get_running_loop()
        exchange = _Exchange(message, self._transmission.timeouts(random()), loop.create_future())  # noqa: S311 - RFC 7252 asks for spread, not for secrecy
        self._open[remote] = exchange
        try:
            self._transmit(remote, exchange)
            return await exchange.future
        finally:
            del self._open[remote]
            if exchange.timer is not None:
                exchange.timer.cancel()

    def abort(self, remote: Address) -> None:
        """End the request in flight to an address, if there is one, with `NoAnswerError`."""
        if exchange := self._open.get(remote):
            self._fail(exchange, "aborted")

    def take_reply(self, message: Message, remote: Address) -> bool:
        """Take an Acknowledgement or Reset; return whether it was expected."""
        exchange = self._open.get(remote)
        if exchange is None or exchange.mid != message.mid:
            return False
        if message.kind == coap.RST:
            self._fail(exchange, "the device answered Reset")
        elif message.code == coap.EMPTY:
            self._await_response(exchange)
        elif message.is_response and message.token == exchange.token:
            self._finish(exchange, message)
        else:
            return False
        return True

    def take_response(self, message: Message, remote: Address) -> bool:
        """Take a separate response (RFC 7252 §5.2.2); return whether it was expected."""
        exchange = self._open.get(remote)
        if exchange is None or exchange.token != message.token:
            return False
        self._finish(exchange, message)
        return True

    def _transmit(self, remote: Address, exchange: _Exchange) -> None:
        timeout = next(exchange.timeouts, None)
        if timeout is None:
            self._fail(exchange, "no acknowledgement")
            return
        self._send(exchange.datagram, remote)
        exchange.timer = asyncio.get_running_loop().call_later(timeout, self._transmit, remote, exchange)

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

"""Requests and notifications that are worked on, each once: a duplicate gets the first answer (RFC 7252 §4.5).

A Confirmable request whose answer takes long, as while Kafka is slow, is acknowledged meanwhile, so that its device
does not repeat it, and answered in a message of its own (§5.2.2). That acknowledgement says that the request has
arrived; the answer alone says that something is kept. A notification has no answer but its acknowledgement: it waits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog

from sluice_common.background import BackgroundTasks
from sluice_lwm2m.adapters.link import Send
from sluice_lwm2m.application.ports import UnansweredError
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.duplicates import Answer, Duplicates, Key
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import IsCurrent, Response
from sluice_lwm2m.domain.counters import Counted, Counters

_log = structlog.get_logger()

ASK_AGAIN = 10
"""Seconds after which who got 5.03 may ask again (RFC 7252 §5.9.3.4); without its Max-Age a device waits for 60."""
_CLOSE_TIMEOUT = 3.0
"""Seconds that a close waits for what is worked on: for Kafka, and not for a device (`CLOSING_SECONDS`)."""

OnCheck = Callable[[Message, Peer], Response | None]
OnRequest = Callable[[Message, Peer], Awaitable[Response]]
OnNotification = Callable[[Message, Peer], Awaitable[IsCurrent | None]]


class Limits(msgspec.Struct, frozen=True):
    """What bounds the endpoint's work.

    Attributes:
        datagram: Bytes of the largest datagram that is taken.
        pending: Requests being worked on at once; more are dropped and will be retransmitted.
        handling: Seconds after which a request that is worked on is answered 5.03.
        acknowledge: Seconds after which one that is still worked on is acknowledged; 0 if none is before its answer.
    """

    datagram: int
    pending: int
    handling: float
    acknowledge: float = 0.0


class RequestTasks:
    """A task per request or notification."""

    def __init__(
        self,
        *,
        on_check: OnCheck,
        on_request: OnRequest,
        on_notification: OnNotification,
        respond: Callable[[Message, Peer, Response], bytes],
        respond_late: Callable[[Message, Peer, Response], bytes],
        send: Send,
        limits: Limits,
        duplicates: Duplicates,
        counters: Counters,
    ) -> None:
        """Prepare.

        Args:
            on_check: Returns the refusal of a request that nothing is done for.
            on_request: Answers any other request.
            on_notification: Takes a notification; it is acknowledged when done. Returns until when one that is the same
                byte for byte repeats it.
            respond: Returns the datagram of a response.
            respond_late: Sends a response to a request that was acknowledged, and returns its datagram.
            send: Sends a datagram.
            limits: Of tasks at once, and of their time.
            duplicates: What was answered.
            counters: Count what is dropped or fails.
        """
        self._on_check = on_check
        self._on_request = on_request
        self._on_notification = on_notification
        self._respond = respond
        self._respond_late = respond_late
        self._send = send
        self._limits = limits
        self._duplicates = duplicates
        self._counters = counters
        self._tasks = BackgroundTasks()
        self._acknowledged: set[Key] = set()

    def answer(self, key: Key, request: Message) -> None:
        """Refuse a request, or work on it and answer it."""
        refused = self._on_check(request, key[0])
        if refused is not None:
            self._send(self._respond(request, key[0], refused), key[0])
            return
        self._begin(key, self._answer(key, request))

    def notify(self, key: Key, message: Message) -> None:
        """Work on a notification and acknowledge it."""
        self._begin(key, self._notify(key, message))

    def acknowledge(self, key: Key, message: Message, is_current: IsCurrent | None = None) -> None:
        """Acknowledge a message at once, if it is Confirmable."""
        if message.kind == coap.CON:
            self._reply(key, _acknowledgement(message), is_current)

    async def close(self) -> None:
        """Return when nothing is being worked on.

        What takes too long is cancelled: its device repeats it, or is told to come again if it was acknowledged.
        """
        async with self._tasks:
            await self._tasks.wait(_CLOSE_TIMEOUT)

    def _begin(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= self._limits.pending:
            self._counters[Counted.OVERLOADED] += 1
            work.close()
            return
        self._note(key, ())
        self._tasks.run("message_not_answered", work)

    async def _answer(self, key: Key, request: Message) -> None:
        with self._acknowledged_meanwhile(key, request):
            try:
                response = await self._response(request, key[0])
            except asyncio.CancelledError:
                self._give(key, request, None)
                raise
            self._give(key, request, response)

    def _give(self, key: Key, request: Message, response: Response | None) -> None:
        """Answer a request; leave it unanswered if there is no answer, unless its device waits for one.

        What was acknowledged without an answer never gets one in an acknowledgement, nor if it is repeated (§5.2.2).
        """
        acknowledged = key in self._acknowledged
        given = response or Response(coap.SERVICE_UNAVAILABLE)
        if response is None:
            self._drop(key)
        if acknowledged:
            datagram = self._respond_late(request, key[0], given)
            if response is not None:
                self._note(key, (_acknowledgement(request), datagram), _until_asked_again(given))
        elif response is not None:
            self._reply(key, self._respond(request, key[0], given), _until_asked_again(given))

    @contextmanager
    def _acknowledged_meanwhile(self, key: Key, request: Message) -> Iterator[None]:
        """Acknowledge a Confirmable request if the block takes long; none whose answer would have no token to match."""
        timer: asyncio.TimerHandle | None = None
        if request.kind == coap.CON and request.token and self._limits.acknowledge:
            timer = asyncio.get_running_loop().call_later(
                self._limits.acknowledge, self._acknowledge_early, key, request
            )
        try:
            yield
        finally:
            self._acknowledged.discard(key)
            if timer is not None:
                timer.cancel()

    def _acknowledge_early(self, key: Key, request: Message) -> None:
        self._acknowledged.add(key)
        self.acknowledge(key, request)

    async def _response(self, request: Message, peer: Peer) -> Response | None:
        """Return the answer to a request; None if it is to be left unanswered."""
        try:
            async with asyncio.timeout(self._limits.handling):
                return await self._on_request(request, peer)
        except UnansweredError:
            return None
        except TimeoutError:
            _log.warning("request_timed_out", code=request.code)
        except Exception:  # noqa: BLE001 - the last barrier: the device gets an answer whatever went wrong here
            _log.warning("request_failed", exc_info=True)
        self._counters[Counted.FAILED] += 1
        return Response(coap.SERVICE_UNAVAILABLE)

    async def _notify(self, key: Key, message: Message) -> None:
        try:
            async with asyncio.timeout(self._limits.handling):
                is_current = await self._on_notification(message, key[0])
        except UnansweredError:
            self._drop(key)
        except Exception:  # noqa: BLE001 - as above: not acknowledged, so that the device repeats it
            _log.warning("notification_failed", exc_info=True)
            self._counters[Counted.FAILED] += 1
            self._duplicates.forget(key)
        else:
            self.acknowledge(key, message, is_current)

    def _drop(self, key: Key) -> None:
        self._counters[Counted.OVERLOADED] += 1
        self._duplicates.forget(key)

    def _reply(self, key: Key, datagram: bytes, is_current: IsCurrent | None) -> None:
        self._note(key, (datagram,), is_current)
        self._send(datagram, key[0])

    def _note(self, key: Key, answer: Answer, is_current: IsCurrent | None = None) -> None:
        self._duplicates.note(key, answer, time.monotonic(), is_current)


def _acknowledgement(message: Message) -> bytes:
    return codec.header(coap.ACK, coap.EMPTY, message.mid)


def _until_asked_again(response: Response) -> IsCurrent | None:
    """Return until when a response answers repetitions: 5.03 until its device may ask again."""
    if response.code != coap.SERVICE_UNAVAILABLE:
        return response.is_current
    until = time.monotonic() + ASK_AGAIN
    return lambda: time.monotonic() < until

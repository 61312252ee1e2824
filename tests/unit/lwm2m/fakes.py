"""What the tests of the gateway put in the place of Kafka, MongoDB and the devices' radio."""

import asyncio
from collections.abc import Callable
from typing import Any

from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.ports import KnownDevice, NoAnswerError
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session

NO_ANSWER_AFTER = 0.02
"""Seconds after which a request is given up."""


class FakePublisher:
    """Takes messages while the gate is open, or fails.

    Attributes:
        messages: What it has taken.
        gate: Closed, it lets everybody wait.
        in_flight: How many wait.
        failure: What it raises.
    """

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0
        self.failure: Exception | None = None

    async def publish_event(self, event: DeviceEvent) -> None:
        """Keep an event."""
        await self._publish(event)

    async def publish_registration(self, registration: Registration) -> None:
        """Keep a registration."""
        await self._publish(registration)

    async def publish_activity(self, seen: DevicesSeen) -> None:
        """Keep which devices have spoken."""
        await self._publish(seen)

    async def publish_claim(self, claim: GatewayClaim) -> None:
        """Keep a claim."""
        await self._publish(claim)

    async def _publish(self, message: Any) -> None:
        self.in_flight += 1
        await self.gate.wait()
        self.in_flight -= 1
        if self.failure is not None:
            raise self.failure
        self.messages.append(message)

    def of(self, kind: type) -> list[Any]:
        """Return the messages of a kind."""
        return [message for message in self.messages if isinstance(message, kind)]


class FakeLink:
    """Hands over what is sent, and lets tests say what is received (`sluice_lwm2m.adapters.link.Link`).

    Attributes:
        hear: Takes what is received.
        is_closed: Whether it was closed.
    """

    def __init__(self, on_sent: Callable[[bytes, Peer], None]) -> None:
        self._on_sent = on_sent
        self.hear: Callable[[bytes, Peer], None]
        self.is_closed = False

    def hear_by(self, hear: Callable[[bytes, Peer], None]) -> None:
        """Keep who hears."""
        self.hear = hear

    def send(self, datagram: bytes, peer: Peer) -> None:
        """Hand it over."""
        self._on_sent(datagram, peer)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class FakeResponder:
    """Keeps the responses as the device decodes them."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def respond(self, request: Message, _remote: Peer, code: int, options: bytes = b"", payload: bytes = b"") -> None:
        """Keep a response."""
        tail = b"\xff" + payload if payload else b""
        self.sent.append(codec.decode(codec.header(coap.ACK, code, request.mid, request.token) + options + tail))


class FakeDirectory:
    """Knows every endpoint but those of strangers: its device has the same name."""

    def __init__(self) -> None:
        self.found: dict[str, KnownDevice] = {}
        self.lookups = 0
        self.failure: Exception | None = None
        self._deleted: set[str] = set()

    def delete(self, endpoint: str) -> None:
        """Know a device no more."""
        self._deleted.add(endpoint)

    async def find(self, endpoint: str) -> KnownDevice | None:
        """Return the device."""
        self.lookups += 1
        if self.failure is not None:
            raise self.failure
        if endpoint.startswith("stranger") or endpoint in self._deleted:
            return None
        return self.found.setdefault(endpoint, KnownDevice(endpoint, "a"))

    def was_found(self, endpoint: str) -> bool:
        """Return whether the device was found before."""
        return endpoint in self.found


class FakeSender:
    """A device that answers every request with success, or none.

    Attributes:
        sent: The requests.
        answers: Whether it answers.
        busy: Whether it answers that it is busy, for ten seconds.
        value: What it answers to a GET; None to refuse.
        observed: What it answers to an Observe; None to refuse.
        diagnostic: The diagnostic text of a 4.04.
        no_answer_after: Seconds after which an unanswered request is given up.
    """

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.answers = True
        self.busy = False
        self.value: bytes | None = b"1"
        self.observed: bytes | None = b"1"
        self.diagnostic = b""
        self.no_answer_after = NO_ANSWER_AFTER
        self._in_flight: dict[Session, asyncio.Future[Message]] = {}

    async def request(self, session: Session, message: Message, *, once: bool = False) -> Message:  # noqa: ARG002 - as of the port
        """Answer a GET with its value and any other request with none."""
        self.sent.append(message)
        if self.answers:
            await asyncio.sleep(0)
            value = self._value(message)
            if value is None:
                return Message(coap.ACK, coap.NOT_FOUND, message.mid, message.token, (), self.diagnostic)
            return _busy(message) if self.busy else _success(message, value)
        self._in_flight[session] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(self._in_flight[session], self.no_answer_after)
        except TimeoutError as error:
            raise NoAnswerError("no acknowledgement") from error
        finally:
            del self._in_flight[session]

    def _value(self, request: Message) -> bytes | None:
        return self.observed if request.option(coap.OBSERVE) == b"" else self.value

    def abort(self, session: Session) -> None:
        """End the request in flight."""
        if (future := self._in_flight.get(session)) is not None and not future.done():
            future.set_exception(NoAnswerError("aborted"))


def _success(request: Message, value: bytes) -> Message:
    observes = ((coap.OBSERVE, b"\x01"),) if request.option(coap.OBSERVE) == b"" else ()
    code, payload = (coap.CONTENT, value) if request.code == coap.GET else (coap.CHANGED, b"")
    return Message(coap.ACK, code, request.mid, request.token, observes, payload)


def _busy(request: Message) -> Message:
    return Message(coap.ACK, coap.SERVICE_UNAVAILABLE, request.mid, request.token, ((coap.MAX_AGE, b"\x0a"),))

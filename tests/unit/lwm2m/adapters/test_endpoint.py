"""What the endpoint does with datagrams; the socket is the only thing that is not real."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lwm2m.builders import T0, registration
from tests.unit.lwm2m.fakes import FakeLink

from sluice_lwm2m.adapters import request_tasks
from sluice_lwm2m.adapters.endpoint import Endpoint
from sluice_lwm2m.adapters.request_tasks import Limits
from sluice_lwm2m.application.ports import NoAnswerError, UnansweredError
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.duplicates import Duplicates
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import Response
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.sessions import Sessions

REMOTE = Peer(("10.0.0.1", 5683))
OBSERVED = b"seen"


class NumberedSessions(Sessions):
    """Gives every message the same Message ID."""

    def next_mid(self, _: Peer) -> int:
        """Return it."""
        return 99


class NotAList(list[Message]):
    """A callback that is broken."""

    def append(self, _: Message) -> None:
        """Fail."""
        raise RuntimeError("a bug")


class Gateway:
    """An endpoint with callbacks that note what they get."""

    def __init__(self, pending: int = 10, duplicates: Duplicates | None = None, acknowledge: float = 0.0) -> None:
        self.counters = Counters()
        limits = Limits(datagram=1_280, pending=pending, handling=0.5, acknowledge=acknowledge)
        kept = duplicates or Duplicates(247, 100)
        self.sessions = NumberedSessions(0, 10)
        self.sent: list[bytes] = []
        self.link = FakeLink(lambda data, _: self.sent.append(data))
        self.endpoint = Endpoint(
            self.link,
            Transmission(0.01, 1, 0.01),
            limits,
            kept,
            self.counters,
            sessions=self.sessions,
            clock=lambda: T0,
        )
        self.gets: list[Message] = []
        self.requests: list[Message] = []
        self.notified: list[Message] = []
        self.unmatched: list[Peer] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.endpoint.serve(
            on_get=lambda request, _: self.gets.append(request),
            on_check=self.check,
            on_request=self.answer,
            is_observed=lambda token, _: token == OBSERVED,
            on_notification=self.notify,
            on_unmatched=self.unmatched.append,
        )

    def check(self, request: Message, _: Peer) -> Response | None:
        """Refuse what has no path."""
        return None if request.options else Response(coap.NOT_FOUND)

    async def answer(self, request: Message, _: Peer) -> Response:
        """Answer when the gate is open."""
        self.requests.append(request)
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return Response(coap.CHANGED, payload=b"ok")

    async def notify(self, message: Message, _: Peer) -> None:
        """Take a notification."""
        if self.failure:
            raise self.failure
        self.notified.append(message)

    async def take(self, *datagrams: bytes) -> list[bytes]:
        """Feed datagrams, let everything settle, and return what was sent."""
        before = len(self.sent)
        for datagram in datagrams:
            self.link.hear(datagram, REMOTE)
        await _all_tasks_wait()  # their timers are set: on a busy machine they may be due at once, and are first
        await asyncio.sleep(0.01)
        await _all_tasks_wait()
        return self.sent[before:]


async def _all_tasks_wait() -> None:
    """Let what is ready run, and what becomes ready by it."""
    for _ in range(10):
        await asyncio.sleep(0)


def request(kind: int = coap.CON, mid: int = 7, token: bytes = b"t") -> bytes:
    return codec.encode(Message(kind, coap.POST, mid, token, ((coap.URI_PATH, b"rd"),)))


def notification(kind: int = coap.CON, mid: int = 8, token: bytes = OBSERVED) -> bytes:
    return codec.encode(Message(kind, coap.CONTENT, mid, token, ((coap.OBSERVE, b"\x01"),), b"1"))


async def test_a_request_is_answered_in_its_acknowledgement() -> None:
    gateway = Gateway()
    assert await gateway.take(request()) == [b"\x61\x44\x00\x07t\xffok"]


async def test_a_non_confirmable_request_is_answered_non_confirmable() -> None:
    (answer,) = await Gateway().take(request(coap.NON))
    message = codec.decode(answer)
    assert (message.kind, message.code, message.mid, message.token) == (coap.NON, coap.CHANGED, 99, b"t")


async def test_a_repeated_request_is_answered_alike_and_worked_on_once() -> None:
    gateway = Gateway()
    first = await gateway.take(request())
    assert await gateway.take(request(), request()) == first * 2
    assert len(gateway.requests) == 1
    assert gateway.counters[Counted.DUPLICATES] == 2


async def test_a_request_repeated_while_it_is_worked_on_is_answered_once() -> None:
    gateway = Gateway()
    gateway.gate.clear()
    assert await gateway.take(request(), request()) == []
    gateway.gate.set()
    assert len(await gateway.take()) == 1
    assert len(gateway.requests) == 1


async def test_a_message_id_used_again_with_another_token_is_no_duplicate() -> None:
    gateway = Gateway()
    await gateway.take(request(token=b"before"))
    await gateway.take(request(token=b"after"))
    assert len(gateway.requests) == 2


async def test_get_requests_are_not_checked_for_duplicates() -> None:
    gateway = Gateway()
    get = Message(coap.CON, coap.GET, 1, b"", ((coap.URI_PATH, b"fw"),))
    await gateway.take(codec.encode(get), codec.encode(get))
    assert gateway.gets == [get, get]
    assert gateway.counters == {}


@pytest.mark.parametrize(("kind", "answer"), [(coap.CON, (coap.ACK, 1)), (coap.NON, (coap.NON, 99))])
async def test_a_get_request_is_answered_in_the_way_that_it_was_sent(kind: int, answer: tuple[int, int]) -> None:
    gateway = Gateway()
    gateway.endpoint.respond(Message(kind, coap.GET, 1, b"t"), REMOTE, coap.CONTENT, b"\xc0", b"block")
    response = codec.decode(gateway.sent[-1])
    assert (response.kind, response.mid) == answer
    assert (response.token, response.options, response.payload) == (b"t", ((coap.CONTENT_FORMAT, b""),), b"block")


@pytest.mark.parametrize("kind", [coap.ACK, coap.RST])
async def test_a_get_code_in_an_acknowledgement_or_reset_is_no_request(kind: int) -> None:
    gateway = Gateway()
    assert await gateway.take(codec.encode(Message(kind, coap.GET, 1))) == []
    assert gateway.gets == []


async def test_a_malformed_get_request_is_rejected() -> None:
    gateway = Gateway()
    assert await gateway.take(b"\x40\x01\x00\x09\xff") == [b"\x70\x00\x00\x09"]
    assert gateway.gets == []
    assert gateway.counters == {Counted.MALFORMED: 1}


async def test_a_notification_is_acknowledged_when_it_has_been_taken() -> None:
    gateway = Gateway()
    assert await gateway.take(notification()) == [b"\x60\x00\x00\x08"]
    assert await gateway.take(notification()) == [b"\x60\x00\x00\x08"]
    assert len(gateway.notified) == 1


async def test_a_non_confirmable_notification_is_not_acknowledged() -> None:
    gateway = Gateway()
    assert await gateway.take(notification(coap.NON), notification(coap.NON)) == []
    assert len(gateway.notified) == 1


async def test_a_notification_that_could_not_be_taken_is_taken_when_repeated() -> None:
    gateway = Gateway()
    gateway.failure = ConnectionError("no Kafka")
    assert await gateway.take(notification()) == []
    gateway.failure = None
    assert await gateway.take(notification()) == [b"\x60\x00\x00\x08"]
    assert len(gateway.notified) == 1


@pytest.mark.parametrize("kind", [coap.CON, coap.NON])
async def test_a_notification_of_no_observation_is_reset(kind: int) -> None:
    assert await Gateway().take(notification(kind, token=b"else")) == [b"\x70\x00\x00\x08"]


@pytest.mark.parametrize("kind", [coap.CON, coap.NON])
async def test_a_notification_with_an_unknown_critical_option_is_rejected(kind: int) -> None:
    gateway = Gateway()
    options = ((coap.OBSERVE, b"\x01"), (9, b"protected"))
    assert await gateway.take(codec.encode(Message(kind, coap.CONTENT, 8, OBSERVED, options))) == [b"\x70\x00\x00\x08"]
    assert gateway.notified == []


async def test_a_separate_response_with_an_unknown_critical_option_is_rejected_and_ends_its_request() -> None:
    gateway = Gateway()
    session = gateway.sessions.register(registration(address=REMOTE.text), T0)
    asked = asyncio.create_task(gateway.endpoint.exchanges.request(session, Message(coap.CON, coap.GET, 9, b"asked")))
    await asyncio.sleep(0)
    response = Message(coap.CON, coap.CONTENT, 8, b"asked", ((9, b"protected"),))
    assert (await gateway.take(codec.encode(response)))[-1:] == [b"\x70\x00\x00\x08"]
    with pytest.raises(NoAnswerError):
        await asked


async def test_a_datagram_whose_handling_fails_is_counted_and_the_next_one_is_taken() -> None:
    gateway = Gateway()
    gateway.gets = NotAList()
    get = codec.encode(Message(coap.CON, coap.GET, 1))
    assert await gateway.take(get, request()) == [b"\x61\x44\x00\x07t\xffok"]
    assert gateway.counters[Counted.FAILED] == 1


async def test_the_sender_of_a_message_that_matches_nothing_is_reported() -> None:
    gateway = Gateway()
    late = Message(coap.ACK, coap.CHANGED, 5, b"t")
    await gateway.take(codec.encode(late), notification(token=b"else"))
    assert gateway.unmatched == [REMOTE, REMOTE]
    assert gateway.counters[Counted.UNEXPECTED] == 2


async def test_a_response_belongs_to_its_request_before_it_is_a_notification() -> None:
    gateway = Gateway()
    session = gateway.sessions.register(registration(address=REMOTE.text), T0)
    asked = asyncio.create_task(gateway.endpoint.exchanges.request(session, Message(coap.CON, coap.GET, 9, OBSERVED)))
    await asyncio.sleep(0)
    assert (await gateway.take(notification()))[-1:] == [b"\x60\x00\x00\x08"]
    assert (await asked).payload == b"1"
    assert gateway.notified == []


async def test_a_ping_is_answered() -> None:
    assert await Gateway().take(b"\x40\x00\x12\x34") == [b"\x70\x00\x12\x34"]


async def test_a_reserved_code_is_rejected() -> None:
    assert await Gateway().take(b"\x40\xe1\x12\x34") == [b"\x70\x00\x12\x34"]


async def test_a_request_whose_handling_fails_is_answered_service_unavailable_and_when_to_ask_again() -> None:
    gateway = Gateway()
    gateway.failure = RuntimeError("a bug")
    (answer,) = await gateway.take(request())
    assert (codec.decode(answer).code, codec.decode(answer).uint(coap.MAX_AGE)) == (coap.SERVICE_UNAVAILABLE, 10)
    assert gateway.counters[Counted.FAILED] == 1


async def test_a_request_that_is_refused_takes_neither_a_task_nor_a_place_among_the_duplicates() -> None:
    gateway = Gateway(pending=1)
    gateway.gate.clear()
    refused = codec.encode(Message(coap.CON, coap.POST, 3, b"t"))
    assert await gateway.take(request(), refused, refused) == [b"\x61\x84\x00\x03t"] * 2
    assert gateway.counters == {}
    gateway.gate.set()
    assert len(await gateway.take()) == 1


async def test_requests_beyond_the_limit_are_dropped_and_taken_when_repeated() -> None:
    gateway = Gateway(pending=2)
    gateway.gate.clear()
    assert await gateway.take(*(request(mid=mid) for mid in range(5))) == []
    assert len(gateway.requests) == 2
    assert gateway.counters[Counted.OVERLOADED] == 3
    gateway.gate.set()
    assert len(await gateway.take()) == 2
    assert len(await gateway.take(request(mid=4))) == 1


async def test_an_oversized_datagram_is_dropped() -> None:
    gateway = Gateway()
    assert await gateway.take(request() + b"\xff" + b"x" * 1_280) == []
    assert gateway.counters == {Counted.OVERSIZED: 1}


@pytest.mark.parametrize(
    ("data", "answer"), [(b"", []), (b"\x00" * 20, []), (b"\x49\x02\x00\x09", [b"\x70\x00\x00\x09"])]
)
async def test_malformed_messages_are_counted_and_rejected_if_they_are_confirmable(
    data: bytes, answer: list[bytes]
) -> None:
    gateway = Gateway()
    assert await gateway.take(data) == answer
    assert gateway.counters[Counted.MALFORMED] == 1


async def test_closing_waits_for_requests_being_worked_on() -> None:
    gateway = Gateway()
    gateway.gate.clear()
    await gateway.take(request())
    closing = asyncio.create_task(gateway.endpoint.close())
    await asyncio.sleep(0)
    assert not gateway.link.is_closed
    gateway.gate.set()
    await closing
    assert len(gateway.sent) == 1
    assert gateway.link.is_closed


async def test_closing_waits_no_longer_for_a_request_than_closing_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_tasks, "_CLOSE_TIMEOUT", 0.01)
    gateway = Gateway()
    gateway.gate.clear()
    await gateway.take(request())
    await asyncio.wait_for(gateway.endpoint.close(), 60)
    assert gateway.sent == []
    assert gateway.link.is_closed


async def test_nothing_is_begun_while_the_endpoint_closes() -> None:
    gateway = Gateway()
    gateway.gate.clear()
    await gateway.take(request())
    closing = asyncio.create_task(gateway.endpoint.close())
    await asyncio.sleep(0)
    get = codec.encode(Message(coap.CON, coap.GET, 1))
    assert await gateway.take(request(mid=8), notification(), get) == []
    gateway.gate.set()
    await closing
    assert len(gateway.requests) == 1
    assert gateway.gets == gateway.notified == []


headers = st.binary(min_size=3, max_size=60).map(lambda data: bytes((0x40 | data[0] & 0x3F, *data[1:])))


@given(st.lists(st.binary(max_size=60) | headers, max_size=20))
def test_no_datagram_raises_anything(datagrams: list[bytes]) -> None:
    async def feed() -> None:
        problems: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        gateway = Gateway()
        await gateway.take(*datagrams)
        assert problems == []
        assert all(sent[0] >> 6 == 1 for sent in gateway.sent)

    asyncio.run(feed())


ACKNOWLEDGED = b"\x60\x00\x00\x07"


async def late_answer(gateway: Gateway) -> Message:
    """Return the response to a request that was acknowledged first."""
    gateway.gate.clear()
    assert await gateway.take(request()) == [ACKNOWLEDGED]
    gateway.gate.set()
    sent = await gateway.take()
    return codec.decode(sent[0])


async def test_a_request_that_takes_long_is_acknowledged_and_answered_in_a_message_of_its_own() -> None:
    answer = await late_answer(Gateway(acknowledge=0.001))
    assert (answer.kind, answer.code, answer.mid, answer.token) == (coap.CON, coap.CHANGED, 99, b"t")
    assert answer.payload == b"ok"


async def test_a_request_that_was_acknowledged_is_never_answered_in_an_acknowledgement_that_repeats_it() -> None:
    gateway = Gateway(acknowledge=0.001)
    gateway.gate.clear()
    assert await gateway.take(request()) == [ACKNOWLEDGED]
    assert await gateway.take(request(), request()) == [ACKNOWLEDGED] * 2
    gateway.gate.set()
    await gateway.take()
    await gateway.take(codec.header(coap.ACK, coap.EMPTY, 99))
    assert await gateway.take(request()) == [ACKNOWLEDGED, b"\x41\x44\x00\x63t\xffok"]
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("kind", [coap.ACK, coap.RST])
async def test_a_late_answer_is_repeated_until_it_is_acknowledged_or_reset(kind: int) -> None:
    gateway = Gateway(acknowledge=0.001)
    await late_answer(gateway)
    assert len(gateway.endpoint._late) == 1
    assert await gateway.take(codec.header(kind, coap.EMPTY, 99)) == []
    assert len(gateway.endpoint._late) == 0
    sent = len(gateway.sent)
    await asyncio.sleep(0.05)
    assert (len(gateway.sent), gateway.unmatched) == (sent, [])


async def test_a_late_answer_that_nobody_acknowledges_is_repeated_a_few_times() -> None:
    gateway = Gateway(acknowledge=0.001)
    first = await late_answer(gateway)
    await asyncio.sleep(0.1)
    answers = [codec.decode(datagram) for datagram in gateway.sent[1:]]
    assert answers == [first, first]
    assert len(gateway.endpoint._late) == 0


async def test_a_late_answer_is_not_repeated_once_its_address_is_another_devices() -> None:
    gateway = Gateway(acknowledge=0.001)
    await late_answer(gateway)
    gateway.sessions.register(registration("other", address=REMOTE.text, epoch=1, lifetime=100), T0)
    sent = len(gateway.sent)
    await asyncio.sleep(0.05)
    assert len(gateway.sent) == sent


async def test_a_late_answer_is_not_repeated_once_it_is_not_true_any_more() -> None:
    gateway, current = Gateway(acknowledge=0.001), [True]
    gateway.endpoint._late.send(b"answer", REMOTE, 5, lambda: current[0])
    current[0] = False
    await asyncio.sleep(0.05)
    assert gateway.sent == [b"answer"]


async def test_a_request_without_a_token_is_answered_in_its_acknowledgement_however_long_it_takes() -> None:
    gateway = Gateway(acknowledge=0.001)
    gateway.gate.clear()
    assert await gateway.take(request(token=b"")) == []
    gateway.gate.set()
    assert await gateway.take() == [b"\x60\x44\x00\x07\xffok"]


async def test_who_was_told_to_come_again_is_heard_when_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_tasks, "ASK_AGAIN", 0.05)
    gateway = Gateway()
    gateway.failure = RuntimeError("Kafka is slow")
    (refused,) = await gateway.take(request())
    assert codec.decode(refused).code == coap.SERVICE_UNAVAILABLE
    gateway.failure = None
    assert await gateway.take(request()) == [refused], "a repetition"
    await asyncio.sleep(0.06)
    assert await gateway.take(request()) == [b"\x61\x44\x00\x07t\xffok"]


async def test_an_acknowledgement_from_elsewhere_ends_no_late_answer() -> None:
    gateway = Gateway(acknowledge=0.001)
    await late_answer(gateway)
    gateway.link.hear(codec.header(coap.ACK, coap.EMPTY, 99), Peer(("10.0.0.2", 5683)))
    assert len(gateway.endpoint._late) == 1
    await gateway.endpoint.close()


async def test_a_request_that_was_acknowledged_and_is_left_unanswered_is_told_to_come_again() -> None:
    gateway = Gateway(acknowledge=0.001)
    gateway.failure = UnansweredError()
    answer = await late_answer(gateway)
    assert (answer.code, answer.options) == (coap.SERVICE_UNAVAILABLE, ((coap.MAX_AGE, b"\x0a"),))
    gateway.failure = None
    await gateway.take(codec.header(coap.ACK, coap.EMPTY, 99))
    assert await gateway.take(request()) == [b"\x61\x44\x00\x07t\xffok"], "it is worked on anew"


async def test_a_non_confirmable_request_that_takes_long_is_not_acknowledged() -> None:
    gateway = Gateway(acknowledge=0.001)
    gateway.gate.clear()
    assert await gateway.take(request(coap.NON)) == []
    gateway.gate.set()
    (answer,) = await gateway.take()
    assert codec.decode(answer).kind == coap.NON


async def test_more_late_answers_than_there_may_be_requests_are_sent_once_each() -> None:
    gateway = Gateway(pending=1, acknowledge=0.001)
    await late_answer(gateway)
    gateway.endpoint._late.send(b"one more", REMOTE, 100)
    assert gateway.sent[-1] == b"one more"
    assert len(gateway.endpoint._late) == 1
    await gateway.endpoint.close()


async def test_a_gateway_that_ends_leaves_no_device_waiting_for_the_answer_to_what_it_has_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_tasks, "_CLOSE_TIMEOUT", 0.01)
    gateway = Gateway(acknowledge=0.001)
    gateway.gate.clear()
    assert await gateway.take(request()) == [ACKNOWLEDGED]
    await gateway.endpoint.close()
    answer = codec.decode(gateway.sent[-1])
    assert (answer.kind, answer.code) == (coap.CON, coap.SERVICE_UNAVAILABLE)


async def test_closing_ends_the_repetition_of_late_answers() -> None:
    gateway = Gateway(acknowledge=0.001)
    await late_answer(gateway)
    await gateway.endpoint.close()
    sent = len(gateway.sent)
    await asyncio.sleep(0.05)
    assert len(gateway.sent) == sent

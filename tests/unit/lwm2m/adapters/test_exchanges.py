"""Confirmable requests: retransmission, separate responses, one in flight (RFC 7252 §4.2, §4.7, §5.2)."""

import asyncio

import pytest
from tests.unit.lwm2m.builders import T0, registration

from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

REMOTE = Peer(("10.0.0.1", 5683))
REQUEST = Message(coap.CON, coap.GET, 77, b"token", ((coap.URI_PATH, b"3"),))
FAST = Transmission(ack_timeout=0.02, max_retransmit=2, response_timeout=0.3)


class Wire(Exchanges):
    """Requests to two devices, the first of which is at `REMOTE`.

    Attributes:
        sent: Datagrams and where they went.
        now: The time; only tests move it.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Peer]] = []
        self.now = T0
        self.sessions = Sessions(0, 10)
        super().__init__(
            lambda datagram, remote: self.sent.append((datagram, remote)), FAST, self.sessions.owners, lambda: self.now
        )
        self.first = self.register("first", REMOTE)

    def register(self, device_id: str, remote: Peer, epoch: int = 1) -> Session:
        """Let a device register."""
        record = registration(device_id, address=remote.text, epoch=epoch, lifetime=100)
        return self.sessions.register(record, self.now)

    async def asked(self, session: Session | None = None) -> asyncio.Task[Message]:
        """Begin a request and let it be sent."""
        task = asyncio.create_task(self.request(session or self.first, REQUEST))
        await asyncio.sleep(0)
        return task


@pytest.fixture
def wire() -> Wire:
    return Wire()


async def test_a_piggybacked_response_ends_the_request(wire: Wire) -> None:
    asked = await wire.asked()
    response = Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"1.0")
    assert wire.take_reply(response, REMOTE)
    assert await asked == response
    assert wire.sent == [(codec.encode(REQUEST), REMOTE)]
    assert len(wire) == 0


async def test_an_unanswered_request_is_repeated_and_then_given_up(wire: Wire) -> None:
    with pytest.raises(NoAnswerError):
        await (await wire.asked())
    assert wire.sent == [(codec.encode(REQUEST), REMOTE)] * 3
    assert len(wire) == 0


async def test_an_acknowledged_request_is_not_repeated_and_awaits_its_response(wire: Wire) -> None:
    asked = await wire.asked()
    assert wire.take_reply(Message(coap.ACK, coap.EMPTY, 77), REMOTE)
    await asyncio.sleep(0.04)
    response = Message(coap.CON, coap.CONTENT, 5, b"token")
    assert wire.take_response(response, REMOTE)
    assert await asked == response
    assert len(wire.sent) == 1


async def test_a_request_without_a_response_after_its_acknowledgement_fails(wire: Wire) -> None:
    asked = await wire.asked()
    for _ in range(3):
        wire.take_reply(Message(coap.ACK, coap.EMPTY, 77), REMOTE)
    with pytest.raises(NoAnswerError):
        await asked


async def test_a_reset_ends_a_request(wire: Wire) -> None:
    asked = await wire.asked()
    assert wire.take_reply(Message(coap.RST, coap.EMPTY, 77), REMOTE)
    with pytest.raises(NoAnswerError):
        await asked


async def test_an_aborted_request_ends_at_once_and_makes_room(wire: Wire) -> None:
    asked = await wire.asked()
    wire.abort(wire.first)
    with pytest.raises(NoAnswerError):
        await asked
    second = await wire.asked()
    wire.take_reply(Message(coap.ACK, coap.CHANGED, 77, b"token"), REMOTE)
    await second


async def test_a_second_request_to_the_same_device_is_refused(wire: Wire) -> None:
    first = await wire.asked()
    await asyncio.sleep(0)
    with pytest.raises(NoAnswerError):
        await (await wire.asked())
    wire.abort(wire.first)
    with pytest.raises(NoAnswerError):
        await first


@pytest.mark.parametrize(
    ("message", "remote"),
    [
        (Message(coap.ACK, coap.CONTENT, 78, b"token"), REMOTE),
        (Message(coap.ACK, coap.CONTENT, 77, b"other"), REMOTE),
        (Message(coap.ACK, coap.GET, 77, b"token"), REMOTE),
        (Message(coap.ACK, coap.CONTENT, 77, b"token"), Peer(("10.0.0.2", 5683))),
        (Message(coap.RST, coap.EMPTY, 78), REMOTE),
    ],
)
async def test_a_message_that_matches_no_request_is_not_taken(wire: Wire, message: Message, remote: Peer) -> None:
    asked = await wire.asked()
    assert not wire.take_reply(message, remote)
    assert not wire.take_response(Message(coap.CON, coap.CONTENT, 1, b"other"), REMOTE)
    assert not asked.done()
    wire.abort(wire.first)
    with pytest.raises(NoAnswerError):
        await asked


async def test_a_response_that_comes_twice_is_taken_once(wire: Wire) -> None:
    asked = await wire.asked()
    first = Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"1")
    wire.take_reply(first, REMOTE)
    wire.take_reply(Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"2"), REMOTE)
    wire.take_reply(Message(coap.RST, coap.EMPTY, 77), REMOTE)
    assert (await asked).payload == b"1"


ANSWER = Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"1.0")
ELSEWHERE = Peer(("10.0.0.2", 5683))


async def failed(asked: asyncio.Task[Message]) -> bool:
    """Return whether a request has ended without an answer, a moment from now."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return asked.done() and isinstance(asked.exception(), NoAnswerError)


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_a_device_that_registers_from_an_address_ends_what_is_in_flight_there_to_another(
    wire: Wire, acknowledged: bool
) -> None:
    asked = await wire.asked()
    if acknowledged:
        wire.take_reply(Message(coap.ACK, coap.EMPTY, 77), REMOTE)
    wire.register("second", REMOTE)
    assert await failed(asked)
    assert not wire.take_reply(ANSWER, REMOTE)
    assert not wire.take_response(Message(coap.CON, coap.CONTENT, 5, b"token"), REMOTE)
    await asyncio.sleep(0.05)
    assert len(wire.sent) == 1


async def test_the_new_owner_of_an_address_is_asked_at_once_although_another_had_a_request_there(wire: Wire) -> None:
    asked = await wire.asked()
    own = await wire.asked(wire.register("second", REMOTE))
    assert wire.take_reply(ANSWER, REMOTE)
    assert await own == ANSWER
    assert await failed(asked)


async def test_a_device_without_an_address_is_sent_nothing(wire: Wire) -> None:
    wire.register("second", REMOTE)
    assert await failed(await wire.asked())
    assert wire.sent == []


async def test_a_request_of_the_registration_before_is_neither_sent_again_nor_answered(wire: Wire) -> None:
    asked = await wire.asked()
    wire.register("first", REMOTE, epoch=2)
    assert not wire.take_reply(ANSWER, REMOTE)
    assert await failed(asked)


async def test_a_lifetime_that_has_ended_ends_retransmission_and_answers_though_nobody_has_noticed(wire: Wire) -> None:
    asked = await wire.asked()
    wire.now += 100
    assert not wire.take_reply(ANSWER, REMOTE)
    with pytest.raises(NoAnswerError):
        await asked
    assert len(wire.sent) == 1


async def test_a_request_follows_its_device_to_another_address_and_is_answered_from_there(wire: Wire) -> None:
    asked = await wire.asked()
    wire.sessions.owners.heard_from(wire.first, ELSEWHERE, T0)
    await asyncio.sleep(0.035)
    assert wire.sent == [(codec.encode(REQUEST), REMOTE), (codec.encode(REQUEST), ELSEWHERE)]
    assert not wire.take_reply(ANSWER, REMOTE)
    assert wire.take_reply(ANSWER, ELSEWHERE)
    assert await asked == ANSWER


async def test_a_request_that_is_ended_by_a_close_is_not_repeated_wherever_its_device_has_moved(wire: Wire) -> None:
    asked = await wire.asked()
    wire.sessions.owners.heard_from(wire.first, ELSEWHERE, T0)
    wire.abort(wire.first)
    assert await failed(asked)
    await asyncio.sleep(0.035)
    assert wire.sent == [(codec.encode(REQUEST), REMOTE)]


async def test_a_device_that_leaves_an_address_to_another_ends_nothing_of_the_other(wire: Wire) -> None:
    second = wire.register("second", REMOTE)
    asked = await wire.asked(second)
    wire.register("first", ELSEWHERE, epoch=2)
    assert wire.take_reply(ANSWER, REMOTE)
    assert await asked == ANSWER


@pytest.mark.parametrize("bad", [(coap.BLOCK1 + 2, b""), (9, b"x"), (coap.BLOCK2, b"\0\0\0\6")])
async def test_a_response_with_a_critical_option_that_nobody_understands_is_no_answer(
    wire: Wire, bad: tuple[int, bytes]
) -> None:
    asked = await wire.asked()
    assert wire.take_reply(Message(coap.ACK, coap.CONTENT, 77, b"token", (bad,), b"1.0"), REMOTE)
    assert await failed(asked)
    assert len(wire.sent) == 1


async def test_a_request_that_is_sent_once_is_never_repeated_and_its_answer_waited_for(wire: Wire) -> None:
    asked = asyncio.create_task(wire.request(wire.first, REQUEST, once=True))
    await asyncio.sleep(0.07)  # two retransmissions later
    assert wire.take_reply(ANSWER, REMOTE)
    assert await asked == ANSWER
    assert len(wire.sent) == 1


async def test_a_device_that_sleeps_again_is_sent_no_retransmission(wire: Wire) -> None:
    record = registration("sleeper", address="10.0.0.5:5", queue_mode=True, lifetime=100)
    asked = await wire.asked(wire.sessions.register(record, wire.now))
    wire.now += 10  # its awake window
    with pytest.raises(NoAnswerError):
        await asked
    assert len(wire.sent) == 1

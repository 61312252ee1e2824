"""Confirmable requests: retransmission, separate responses, one in flight (RFC 7252 §4.2, §4.7, §5.2)."""

import asyncio

import pytest

from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.transmission import Transmission

REMOTE: Address = ("10.0.0.1", 5683)
REQUEST = Message(coap.CON, coap.GET, 77, b"token", ((coap.URI_PATH, b"3"),))
FAST = Transmission(ack_timeout=0.02, max_retransmit=2, response_timeout=0.3)


class Wire:
    """Where datagrams go; notes them."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Address]] = []

    def send(self, datagram: bytes, remote: Address) -> None:
        """Note a datagram."""
        self.sent.append((datagram, remote))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def exchanges(wire: Wire) -> Exchanges:
    return Exchanges(wire.send, FAST)


def ask(exchanges: Exchanges) -> asyncio.Task[Message]:
    return asyncio.create_task(exchanges.request(REMOTE, REQUEST))


async def test_a_piggybacked_response_ends_the_request(exchanges: Exchanges, wire: Wire) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    response = Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"1.0")
    assert exchanges.take_reply(response, REMOTE)
    assert await asked == response
    assert wire.sent == [(codec.encode(REQUEST), REMOTE)]
    assert len(exchanges) == 0


async def test_an_unanswered_request_is_repeated_and_then_given_up(exchanges: Exchanges, wire: Wire) -> None:
    with pytest.raises(NoAnswerError):
        await ask(exchanges)
    assert wire.sent == [(codec.encode(REQUEST), REMOTE)] * 3
    assert len(exchanges) == 0


async def test_an_acknowledged_request_is_not_repeated_and_awaits_its_response(
    exchanges: Exchanges, wire: Wire
) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    assert exchanges.take_reply(Message(coap.ACK, coap.EMPTY, 77), REMOTE)
    await asyncio.sleep(0.04)
    response = Message(coap.CON, coap.CONTENT, 5, b"token")
    assert exchanges.take_response(response, REMOTE)
    assert await asked == response
    assert len(wire.sent) == 1


async def test_a_request_without_a_response_after_its_acknowledgement_fails(exchanges: Exchanges) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    for _ in range(3):
        exchanges.take_reply(Message(coap.ACK, coap.EMPTY, 77), REMOTE)
    with pytest.raises(NoAnswerError):
        await asked


async def test_a_reset_ends_a_request(exchanges: Exchanges) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    assert exchanges.take_reply(Message(coap.RST, coap.EMPTY, 77), REMOTE)
    with pytest.raises(NoAnswerError):
        await asked


async def test_an_aborted_request_ends_at_once_and_makes_room(exchanges: Exchanges) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    exchanges.abort(REMOTE)
    with pytest.raises(NoAnswerError):
        await asked
    second = ask(exchanges)
    await asyncio.sleep(0)
    exchanges.take_reply(Message(coap.ACK, coap.CHANGED, 77, b"token"), REMOTE)
    await second


async def test_a_second_request_to_the_same_address_is_refused(exchanges: Exchanges) -> None:
    first = ask(exchanges)
    await asyncio.sleep(0)
    with pytest.raises(NoAnswerError):
        await ask(exchanges)
    exchanges.abort(REMOTE)
    with pytest.raises(NoAnswerError):
        await first


@pytest.mark.parametrize(
    ("message", "remote"),
    [
        (Message(coap.ACK, coap.CONTENT, 78, b"token"), REMOTE),
        (Message(coap.ACK, coap.CONTENT, 77, b"other"), REMOTE),
        (Message(coap.ACK, coap.GET, 77, b"token"), REMOTE),
        (Message(coap.ACK, coap.CONTENT, 77, b"token"), ("10.0.0.2", 5683)),
        (Message(coap.RST, coap.EMPTY, 78), REMOTE),
    ],
)
async def test_a_message_that_matches_no_request_is_not_taken(
    exchanges: Exchanges, message: Message, remote: Address
) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    assert not exchanges.take_reply(message, remote)
    assert not exchanges.take_response(Message(coap.CON, coap.CONTENT, 1, b"other"), REMOTE)
    assert not asked.done()
    exchanges.abort(REMOTE)
    with pytest.raises(NoAnswerError):
        await asked


async def test_a_response_that_comes_twice_is_taken_once(exchanges: Exchanges) -> None:
    asked = ask(exchanges)
    await asyncio.sleep(0)
    first = Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"1")
    exchanges.take_reply(first, REMOTE)
    exchanges.take_reply(Message(coap.ACK, coap.CONTENT, 77, b"token", payload=b"2"), REMOTE)
    exchanges.take_reply(Message(coap.RST, coap.EMPTY, 77), REMOTE)
    assert (await asked).payload == b"1"

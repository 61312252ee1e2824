"""What a device sends is worked on in the order in which it came, whatever waits for Kafka meanwhile."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.unit.lwm2m.gateway_under_test import settle
from tests.unit.lwm2m.test_restarts import DEVICE, Client

from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, FirmwareStateNotified, UplinkKind
from sluice_common.messages.lwm2m_commands import Observe
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session

HERE, ELSEWHERE = Peer(("192.0.2.1", 1)), Peer(("192.0.2.9", 9))


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    """A device that is registered and observed."""
    made = Client()
    async with made.gateway.tasks:
        await made.register()
        await made.answer(await made.be_asked(Observe(path="/5/0/3")))
        made.gateway.publisher.messages.clear()
        yield made
        made.gateway.publisher.gate.set()


def session_of(client: Client) -> Session:
    session = client.gateway.sessions.owned(DEVICE)
    assert session is not None
    return session


def notification(client: Client, state: int, sequence: int) -> bytes:
    token = bytes.fromhex(session_of(client).record.observe_token or "")
    options = ((coap.OBSERVE, bytes((sequence,))),)
    return codec.encode(Message(coap.CON, coap.CONTENT, 500 + sequence, token, options, str(state).encode()))


def answer(asked: Message, state: int, sequence: int) -> bytes:
    options = ((coap.OBSERVE, bytes((sequence,))),)
    return codec.encode(Message(coap.ACK, coap.CONTENT, asked.mid, asked.token, options, str(state).encode()))


async def states_of(client: Client, *datagrams: bytes) -> list[int]:
    """Let datagrams come at once while Kafka is slow; return the states that are published."""
    client.gateway.publisher.gate.clear()
    for datagram in datagrams:
        client.gateway.link.hear(datagram, HERE)
    await settle()
    client.gateway.publisher.gate.set()
    await settle()
    return [event.state for event in client.gateway.publisher.of(FirmwareStateNotified)]


@pytest.mark.parametrize(
    ("answered", "notified", "states"), [((1, 2), (2, 3), [1, 2]), ((1, 3), (2, 2), [1]), ((1, 2), (2, 2), [1])]
)
async def test_a_notification_after_the_answer_to_an_observe_counts_if_it_is_newer(
    client: Client, answered: tuple[int, int], notified: tuple[int, int], states: list[int]
) -> None:
    client.gateway.commands.renew_observation(session_of(client))
    await settle()
    assert await states_of(client, answer(client.sent[-1], *answered), notification(client, *notified)) == states


async def test_an_answer_to_an_observe_that_comes_after_a_newer_notification_does_not_count(client: Client) -> None:
    client.gateway.commands.renew_observation(session_of(client))
    await settle()
    assert await states_of(client, notification(client, 2, 9), answer(client.sent[-1], 1, 8)) == [2]


async def test_a_notification_that_overtakes_the_answer_to_an_observe_answers_it(client: Client) -> None:
    """Both have the token of the observation, and the newer one tells more."""
    asked = await client.be_asked(Observe(path="/5/0/3"))
    assert await states_of(client, notification(client, 2, 9), answer(asked, 1, 8)) == []
    (outcome,) = client.gateway.publisher.of(CommandOutcome)
    assert [(result.code, result.values) for result in outcome.results] == [("2.05", {"/5/0/3": 2})]


async def test_a_notification_is_not_acknowledged_before_kafka_has_its_state(client: Client) -> None:
    client.gateway.publisher.gate.clear()
    sent = len(client.sent)
    for _ in range(3):
        await client.gateway.take(notification(client, 2, 9), HERE)
    assert client.sent[sent:] == []
    client.gateway.publisher.gate.set()
    await settle()
    assert [message.kind for message in client.sent[sent:]] == [coap.ACK]
    assert [event.state for event in client.gateway.publisher.of(FirmwareStateNotified)] == [2]


async def test_a_device_is_where_it_has_spoken_from_last_though_kafka_was_slow(client: Client) -> None:
    """An Update from there waits behind a notification from where the device was before."""
    location = session_of(client).record.location
    path = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, location.encode()))
    update = codec.encode(Message(coap.CON, coap.POST, 700, b"", path))
    client.gateway.publisher.gate.clear()
    client.gateway.link.hear(notification(client, 1, 9), HERE)
    client.gateway.link.hear(update, ELSEWHERE)
    await settle()
    assert session_of(client).remote == ELSEWHERE
    client.gateway.publisher.gate.set()
    await settle()
    assert session_of(client).record.address == "192.0.2.9:9"


async def test_the_outcomes_of_an_ended_registration_come_before_the_next_one_is_reported(client: Client) -> None:
    await client.be_asked(Observe(path="/5/0/3"))
    client.gateway.publisher.gate.clear()
    options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={DEVICE}".encode()))
    client.gateway.link.hear(codec.encode(Message(coap.CON, coap.POST, 900, b"", options)), HERE)
    await settle()
    client.gateway.publisher.gate.set()
    await settle()
    kinds = [
        message.kind if isinstance(message, DeviceUplink) else type(message)
        for message in client.gateway.publisher.messages
        if isinstance(message, DeviceUplink | CommandOutcome)
    ]
    assert kinds == [CommandOutcome, UplinkKind.REGISTER]

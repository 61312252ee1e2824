"""A registration that comes again byte for byte: a retransmission, or a device that has restarted and counts anew.

A device has one request outstanding at a time (NSTART, RFC 7252 §4.7). Whatever it has sent since but answers ends the
first one, and so does an Execute, for it may have restarted the device.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from tests.unit.lwm2m.application.images.server import IMAGE, TASK
from tests.unit.lwm2m.builders import T0
from tests.unit.lwm2m.gateway_under_test import GatewayUnderTest, settle

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink, FirmwareStateNotified, UplinkKind
from sluice_common.messages.lwm2m_commands import DeviceRequest, DeviceRequests, Execute, Observe, Read, WritePackageUri
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer

DEVICE, OTHER = "a" * 24, "b" * 24
HERE = Peer(("192.0.2.1", 1))


class Client:
    """A device that answers reads and observations at once, and the gateway."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gateway = GatewayUnderTest(self._on_sent)
        self._mid = 100

    def _on_sent(self, datagram: bytes, _: Peer) -> None:
        self.sent.append(codec.decode(datagram))

    async def tell(self, message: Message) -> Message:
        """Send a message; return what the gateway has answered last then."""
        await self.gateway.take(codec.encode(message), HERE)
        return [sent for sent in self.sent if not sent.is_request][-1]

    async def register(self, endpoint: str = DEVICE) -> str:
        """Send a registration, always the same datagram; return the location."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={endpoint}".encode()))
        answer = await self.tell(Message(coap.CON, coap.POST, 1, b"t", options))
        assert (answer.code, answer.mid) == (coap.CREATED, 1)
        return answer.options[-1][1].decode()

    async def post(self, *path: str) -> Message:
        """Send a POST request."""
        self._mid += 1
        options = tuple((coap.URI_PATH, segment.encode()) for segment in path)
        return await self.tell(Message(coap.CON, coap.POST, self._mid, b"", options))

    async def be_asked(self, request: DeviceRequest) -> Message:
        """Let the platform ask something; return the request."""
        record = self.gateway.sessions.record(DEVICE)
        assert record is not None
        command = DeviceRequests(
            app_id="a",
            occurred_at=utc(T0),
            device_id=DEVICE,
            command_id=str(len(self.sent)),
            execution_id=f"{TASK}:{DEVICE}",
            attempt=1,
            epoch=record.epoch,
            expires_at=utc(T0 + 90),
            requests=(request,),
        )
        self.gateway.commands.submit(command, lambda: None)
        await settle()
        return self.sent[-1]

    async def answer(self, asked: Message) -> None:
        """Answer a request."""
        options = ((coap.OBSERVE, b"\x01"),) if asked.option(coap.OBSERVE) == b"" else ()
        await self.tell(Message(coap.ACK, coap.CONTENT, asked.mid, asked.token, options, b"1"))

    def registrations(self) -> int:
        """Return how many registrations the scheduler has heard of."""
        uplinks = self.gateway.publisher.of(DeviceUplink)
        return [uplink.kind for uplink in uplinks].count(UplinkKind.REGISTER)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    async with made.gateway.tasks:
        yield made
        made.gateway.publisher.gate.set()
        for device_id in (DEVICE, OTHER):
            if (session := made.gateway.sessions.owned(device_id)) is not None:
                made.gateway.endpoint.exchanges.abort(session)


async def updates(client: Client, location: str) -> None:
    assert (await client.post("rd", location)).code == coap.CHANGED


async def sends(client: Client, _: str) -> None:
    assert (await client.post("dp")).code == coap.CHANGED


async def notifies(client: Client, _: str) -> None:
    asked = await client.be_asked(Observe(path="/5/0/3"))
    await client.answer(asked)
    await client.tell(Message(coap.CON, coap.CONTENT, 9, asked.token, ((coap.OBSERVE, b"\x02"),), b"1"))


async def fetches_a_block(client: Client, _: str) -> None:
    uri = await client.be_asked(WritePackageUri(image_id=IMAGE, image_size=1, not_after=utc(T0 + 60)))
    await client.answer(uri)
    path = ((coap.URI_PATH, b"fw"), (coap.URI_PATH, uri.payload.rpartition(b"/")[2]))
    assert (await client.tell(Message(coap.CON, coap.GET, 8, b"", path))).code == coap.CONTENT


async def is_told_to_restart(client: Client, _: str) -> None:
    await client.be_asked(Execute(path="/3/0/4"))


async def answers_that_it_updates(client: Client, _: str) -> None:
    await client.answer(await client.be_asked(Execute(path="/5/0/2")))


async def leaves(client: Client, location: str) -> None:
    path = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, location.encode()))
    assert (await client.tell(Message(coap.CON, coap.DELETE, 7, b"", path))).code == coap.DELETED


async def gives_its_address_to_another(client: Client, _: str) -> None:
    await client.register(OTHER)


@pytest.mark.parametrize(
    "goes_on",
    [
        updates,
        sends,
        notifies,
        fetches_a_block,
        is_told_to_restart,
        answers_that_it_updates,
        leaves,
        gives_its_address_to_another,
    ],
)
async def test_the_same_registration_is_a_new_one_when_the_device_has_gone_on_since(
    client: Client, goes_on: Callable[[Client, str], Awaitable[None]]
) -> None:
    first = await client.register()
    await goes_on(client, first)
    others = client.registrations()
    assert await client.register() != first
    assert client.registrations() == others + 1
    session = client.gateway.sessions.owned(DEVICE)
    assert session is not None
    assert session.is_reachable(client.gateway.clock())


async def test_the_same_registration_is_a_new_one_when_its_lifetime_has_ended(client: Client) -> None:
    first = await client.register()
    session = client.gateway.sessions.owned(DEVICE)
    assert session is not None
    session.expires_at = client.gateway.clock()
    assert await client.register() != first


async def test_the_same_registration_is_a_retransmission_when_the_device_has_only_answered_since(
    client: Client,
) -> None:
    first = await client.register()
    await client.answer(await client.be_asked(Read(path="/3/0/3")))
    asked = await client.be_asked(Observe(path="/5/0/3"))
    assert await client.register() == first
    await client.tell(Message(coap.RST, coap.EMPTY, asked.mid))
    assert await client.register() == first
    assert client.registrations() == 1


async def test_a_registration_that_begins_anew_counts_once_however_often_it_is_retransmitted(client: Client) -> None:
    await updates(client, await client.register())
    second = await client.register()
    assert [await client.register() for _ in range(3)] == [second] * 3
    assert client.registrations() == 2


async def test_the_same_registration_in_the_same_blocks_is_a_new_one_too(client: Client) -> None:
    async def block(number: int, payload: bytes, *, more: bool) -> Message:
        options = (
            (coap.URI_PATH, b"rd"),
            (coap.URI_QUERY, f"ep={DEVICE}".encode()),
            (coap.BLOCK1, Block(number, more, 0).to_bytes()),
        )
        return await client.tell(Message(coap.CON, coap.POST, number, b"", options, payload))

    async def registered() -> str:
        assert (await block(0, b"</1/0>,</3/0>,</", more=True)).code == coap.CONTINUE
        assert (await block(0, b"</1/0>,</3/0>,</", more=True)).code == coap.CONTINUE
        answer = await block(1, b"5/0>", more=False)
        assert answer.code == coap.CREATED
        return dict(answer.options)[coap.LOCATION_PATH].decode()

    first = await registered()
    await updates(client, first)
    assert await registered() != first


async def test_the_same_notification_under_a_new_registration_is_news(client: Client) -> None:
    first = await client.register()
    asked = await client.be_asked(Observe(path="/5/0/3"))
    await client.answer(asked)
    again = Message(coap.CON, coap.CONTENT, 9, asked.token, ((coap.OBSERVE, b"\x02"),), b"2")
    for _ in range(2):
        await client.tell(again)
    assert len(client.gateway.publisher.of(FirmwareStateNotified)) == 1
    assert await client.register() != first
    await client.tell(again)
    assert len(client.gateway.publisher.of(FirmwareStateNotified)) == 2

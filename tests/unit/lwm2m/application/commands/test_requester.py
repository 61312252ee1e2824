"""Requests with their Message IDs and tokens, and answers in blocks."""

import asyncio
from collections.abc import Callable

import pytest

from sluice_common.messages.base import utc
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.encoding.content import MAX_PAYLOAD_BYTES
from sluice_lwm2m.domain.requests import Outgoing
from sluice_lwm2m.domain.session import Session

T0 = 1_700_000_000.0
READ = Outgoing(coap.GET, ((coap.URI_PATH, b"3"),))
Answer = Callable[[Message], Message]


def session() -> Session:
    record = Registration(
        app_id="a",
        occurred_at=utc(T0),
        device_id="d",
        endpoint="ep",
        address="10.0.0.1:1",
        gateway=0,
        epoch=1,
        location="l",
        lifetime=100,
        expires_at=utc(T0 + 100),
        queue_mode=True,
    )
    return Session(record, 10, T0 + 100)


class Device:
    """Answers each request at once."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[Message] = []
        self._answer = answer
        self._exchanges = Exchanges(self._send, Transmission(1, 0, 1))
        self.requester = Requester(self._exchanges, lambda: T0 + 5)

    def _send(self, datagram: bytes, remote: Address) -> None:
        request = codec.decode(datagram)
        self.asked.append(request)
        asyncio.get_running_loop().call_soon(self._exchanges.take_reply, self._answer(request), remote)


def in_blocks(payload: bytes, exponent: int = 6) -> Answer:
    def answer(request: Message) -> Message:
        asked = parse_block(request.option(coap.BLOCK2) or b"") or Block(0, more=False, exponent=exponent)
        end = (asked.number + 1) * (16 << exponent)
        block = Block(asked.number, end < len(payload), exponent).to_bytes()
        part = payload[end - (16 << exponent) : end]
        return Message(coap.ACK, coap.CONTENT, request.mid, request.token, ((coap.BLOCK2, block),), part)

    return answer


async def test_every_request_has_its_own_number_and_token() -> None:
    device, asked = Device(lambda r: Message(coap.ACK, coap.CONTENT, r.mid, r.token)), session()
    await device.requester.ask(asked, READ)
    await device.requester.ask(asked, READ, "0aff")
    first, second = device.asked
    assert second.mid == (first.mid + 1) % 65_536
    assert len(first.token) == 8
    assert second.token == b"\x0a\xff"


async def test_an_answer_keeps_a_sleeper_awake() -> None:
    device, asked = Device(lambda r: Message(coap.ACK, coap.CONTENT, r.mid, r.token)), session()
    await device.requester.ask(asked, READ)
    assert asked.awake_until == T0 + 15


@pytest.mark.parametrize("size", [1, 1_024, 1_025, 5_000])
async def test_blocks_are_put_together(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    device = Device(in_blocks(payload))
    response = await device.requester.ask(session(), READ)
    assert response.payload == payload
    assert len(device.asked) == -(-size // 1_024)


async def test_a_device_that_never_ends_is_left_at_the_limit() -> None:
    device = Device(in_blocks(bytes(10 * MAX_PAYLOAD_BYTES)))
    response = await device.requester.ask(session(), READ)
    assert len(response.payload) <= MAX_PAYLOAD_BYTES + 1_024


async def test_a_block_out_of_order_is_an_error() -> None:
    def confused(request: Message) -> Message:
        block = Block(4, more=True, exponent=6).to_bytes()
        return Message(coap.ACK, coap.CONTENT, request.mid, request.token, ((coap.BLOCK2, block),), bytes(1_024))

    response = await Device(confused).requester.ask(session(), READ)
    assert not response.is_success


async def test_an_error_in_the_middle_is_the_answer() -> None:
    def changed(request: Message) -> Message:
        if request.option(coap.BLOCK2):
            return Message(coap.ACK, coap.NOT_FOUND, request.mid, request.token)
        return in_blocks(bytes(3_000))(request)

    assert (await Device(changed).requester.ask(session(), READ)).code == coap.NOT_FOUND


async def test_a_device_that_counts_each_observation_from_its_start_is_heard() -> None:
    asked = session()
    assert asked.is_newest(500, T0)
    observes = ((coap.OBSERVE, b""),)
    device = Device(lambda r: Message(coap.ACK, coap.CONTENT, r.mid, r.token, observes, b"0"))
    await device.requester.ask(asked, READ, "0aff")
    assert asked.is_newest(1, T0 + 6)

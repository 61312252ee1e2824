"""Requests with their Message IDs and tokens, and responses in blocks."""

from collections.abc import Callable

import msgspec
import pytest
from tests.unit.lwm2m.builders import T0, registration

from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import Request
from sluice_lwm2m.domain.encoding.content import MAX_PAYLOAD_BYTES
from sluice_lwm2m.domain.session import Session

READ = Request(coap.GET, ((coap.URI_PATH, b"3"),))
Answer = Callable[[Message], Message]


def session() -> Session:
    made = Session(registration(queue_mode=True), 10, T0 + 1_000)
    made.gain_address(Peer(("10.0.0.1", 1)), T0)
    return made


class Device:
    """Answers each request at once."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[Message] = []
        self._answer = answer
        self.requester = Requester(self, lambda: T0 + 5)

    async def request(self, _session: Session, message: Message, *, once: bool = False) -> Message:  # noqa: ARG002 - as of the port
        """Answer."""
        self.asked.append(message)
        return self._answer(message)

    def abort(self, session: Session) -> None:
        """Do nothing: no request is ever in flight."""


def in_blocks(payload: bytes, exponent: int = 6) -> Answer:
    def answer(request: Message) -> Message:
        asked = parse_block(request.option(coap.BLOCK2) or b"") or Block(0, more=False, exponent=exponent)
        end = (asked.number + 1) * (16 << exponent)
        block = Block(asked.number, end < len(payload), exponent).to_bytes()
        part = payload[end - (16 << exponent) : end]
        return Message(coap.ACK, coap.CONTENT, request.mid, request.token, ((coap.BLOCK2, block),), part)

    return answer


async def test_every_request_has_a_message_id_and_a_token_of_its_own() -> None:
    device, asked = Device(lambda r: Message(coap.ACK, coap.CONTENT, r.mid, r.token)), session()
    await device.requester.ask(asked, READ)
    await device.requester.ask(asked, READ, "0aff")
    first, second = device.asked
    assert second.mid == (first.mid + 1) % 65_536
    assert len(first.token) == 8
    assert second.token == b"\x0a\xff"


async def test_a_response_extends_the_awake_window_of_a_queue_mode_device() -> None:
    device, asked = Device(lambda r: Message(coap.ACK, coap.CONTENT, r.mid, r.token)), session()
    await device.requester.ask(asked, READ)
    assert asked.awake_until == T0 + 15


@pytest.mark.parametrize("size", [1, 1_024, 1_025, 5_000])
async def test_a_response_in_blocks_is_returned_with_its_whole_payload(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    device = Device(in_blocks(payload))
    response = (await device.requester.ask(session(), READ)).message
    assert response.payload == payload
    assert len(device.asked) == -(-size // 1_024)


async def test_a_response_that_is_too_long_is_not_fetched_beyond_the_limit() -> None:
    device = Device(in_blocks(bytes(10 * MAX_PAYLOAD_BYTES)))
    response = (await device.requester.ask(session(), READ)).message
    assert len(response.payload) <= MAX_PAYLOAD_BYTES + 1_024


async def test_a_block_out_of_order_is_an_error_response() -> None:
    def confused(request: Message) -> Message:
        block = Block(4, more=True, exponent=6).to_bytes()
        return Message(coap.ACK, coap.CONTENT, request.mid, request.token, ((coap.BLOCK2, block),), bytes(1_024))

    response = (await Device(confused).requester.ask(session(), READ)).message
    assert not response.is_success


async def test_an_error_response_to_a_later_block_is_the_response() -> None:
    def changed(request: Message) -> Message:
        if request.option(coap.BLOCK2):
            return Message(coap.ACK, coap.NOT_FOUND, request.mid, request.token)
        return in_blocks(bytes(3_000))(request)

    assert (await Device(changed).requester.ask(session(), READ)).message.code == coap.NOT_FOUND


@pytest.mark.parametrize("code", [coap.POST, coap.PUT])
async def test_what_changes_something_is_not_sent_again_for_the_rest_of_its_answer(code: int) -> None:
    device = Device(in_blocks(bytes(3_000)))
    await device.requester.ask(session(), Request(code, READ.options))
    assert len(device.asked) == 1


async def test_blocks_of_two_representations_are_not_put_together() -> None:
    """RFC 7959 §2.4: the ETag tells that the resource has changed between two blocks."""

    def changing(request: Message) -> Message:
        answer = in_blocks(bytes(3_000))(request)
        etag = b"later" if request.option(coap.BLOCK2) else b"first"
        return msgspec.structs.replace(answer, options=((coap.ETAG, etag), *answer.options))

    assert not (await Device(changing).requester.ask(session(), READ)).message.is_success


def observing(sequence: bytes, meanwhile: Callable[[], object] = lambda: None) -> Answer:
    """Answer an Observe request, after something else has come."""

    def answer(request: Message) -> Message:
        meanwhile()
        return Message(coap.ACK, coap.CONTENT, request.mid, request.token, ((coap.OBSERVE, sequence),), b"0")

    return answer


async def test_the_response_to_an_observe_request_restarts_the_sequence_of_notifications() -> None:
    asked = session()
    assert asked.receive("0aff", 500, T0)
    assert (await Device(observing(b"")).requester.ask(asked, READ, "0aff")).is_newest
    assert asked.receive("0aff", 1, T0 + 6)


@pytest.mark.parametrize(("sequence", "is_newest"), [(b"\x04", False), (b"\x06", True)])
async def test_an_answer_that_a_newer_notification_has_overtaken_is_not_the_newest(
    sequence: bytes, is_newest: bool
) -> None:
    asked = session()
    device = Device(observing(sequence, lambda: asked.receive("0aff", 5, T0)))
    assert (await device.requester.ask(asked, READ, "0aff")).is_newest is is_newest
    assert not asked.receive("0aff", 5, T0 + 6)


async def test_an_observe_option_in_the_answer_to_a_read_says_nothing_about_notifications() -> None:
    asked = session()
    assert asked.receive("0aff", 5, T0)
    assert (await Device(observing(b"\x7f\xff\xff")).requester.ask(asked, READ)).is_newest
    assert asked.receive("0aff", 6, T0)

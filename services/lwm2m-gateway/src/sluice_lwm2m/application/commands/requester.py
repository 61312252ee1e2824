"""Requests to devices: Message IDs, tokens, and responses in blocks put together (RFC 7959 §2.4)."""

from collections.abc import Callable
from os import urandom
from typing import NamedTuple

import msgspec

from sluice_lwm2m.application.ports import RequestSender
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.request_response import Request
from sluice_lwm2m.domain.encoding.content import MAX_PAYLOAD_BYTES
from sluice_lwm2m.domain.requests import next_block
from sluice_lwm2m.domain.session import Session

_TOKEN_BYTES = 8


class Answer(NamedTuple):
    """What a device answers.

    Attributes:
        message: With its whole payload.
        sequence: Its Observe option, None if it has none.
        is_newest: Whether no notification that is newer has come since the request was sent.
    """

    message: Message
    sequence: int | None
    is_newest: bool


class Requester:
    """Sends requests to devices; every response extends the awake window."""

    def __init__(self, sender: RequestSender, clock: Callable[[], float]) -> None:
        self._sender = sender
        self._clock = clock

    async def ask(self, session: Session, request: Request, token: str | None = None) -> Answer:
        """Return the answer.

        Args:
            session: The device.
            request: Without its message layer.
            token: Token of its observation, hex; a fresh one if None.

        Raises:
            NoAnswerError: There is none.
        """
        before = session.received
        first = await self._ask(session, request, bytes.fromhex(token) if token else urandom(_TOKEN_BYTES))
        sequence = first.uint(coap.OBSERVE)
        is_newest = session.receive_answer(before, token, sequence, self._clock())
        return Answer(await self._whole(session, request, first), sequence, is_newest)

    async def _whole(self, session: Session, request: Request, first: Message) -> Message:
        """Return a response with the blocks that follow; an error if they are not one representation's.

        Only a GET is repeated for its next block: an Execute would be a second one.
        """
        if request.code != coap.GET:
            return first
        response, payload, etag = first, first.payload, first.option(coap.ETAG)
        while (wanted := _next(response)) is not None and len(payload) <= MAX_PAYLOAD_BYTES:
            response = await self._ask(session, next_block(request, wanted.to_bytes()), urandom(_TOKEN_BYTES))
            got = parse_block(response.option(coap.BLOCK2) or b"")
            if not response.is_success:
                return msgspec.structs.replace(response, payload=b"")
            if got is None or got.start != len(payload) or response.option(coap.ETAG) != etag:
                return msgspec.structs.replace(response, code=coap.REQUEST_ENTITY_INCOMPLETE, payload=b"")
            payload += response.payload
        return first if payload is first.payload else msgspec.structs.replace(first, payload=payload)

    async def _ask(self, session: Session, request: Request, token: bytes) -> Message:
        message = Message(coap.CON, request.code, session.next_mid(), token, request.options, request.payload)
        response = await self._sender.request(session, message, once=request.once)
        session.extend_awake_window(self._clock())
        return response


def _next(response: Message) -> Block | None:
    """Return the block that follows the one in a response, if more do."""
    value = response.option(coap.BLOCK2)
    block = parse_block(value) if value is not None else None
    if block is None or not block.more:
        return None
    return Block(block.number + 1, more=False, exponent=block.exponent)

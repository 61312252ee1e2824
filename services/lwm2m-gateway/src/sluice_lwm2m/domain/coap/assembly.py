"""Requests whose body comes in blocks (Block1, RFC 7959 §2.3, §2.5), put together.

Leaves out bodies in parallel from one source to one path: a first block replaces what came before it (§2.5).
"""

from collections import OrderedDict

import msgspec

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer

Key = tuple[Peer, tuple[bytes, ...]]


class Assembly:
    """Bodies of which not all is there yet."""

    def __init__(self, *, max_bodies: int, max_bytes: int, lifetime: float) -> None:
        """Prepare.

        Args:
            max_bodies: Bodies at once; one more drops the oldest.
            max_bytes: Bytes of a body.
            lifetime: Seconds that a body waits for its next block.
        """
        self._max_bodies = max_bodies
        self._max_bytes = max_bytes
        self._lifetime = lifetime
        self._begun: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()  # the oldest is first

    def take(self, request: Message, remote: Peer, now: float) -> Message | None:
        """Take a request with a Block1 option; return it with its whole body, None while more is to come.

        Raises:
            CoapError: 4.00 for a malformed block, 4.08 for one that does not follow, 4.13 for too long a body.
        """
        block = _block_of(request)
        key = _key_of(request, remote)
        body = self._body(key, block, now) + request.payload
        if len(body) > self._max_bytes:
            raise CoapError(coap.REQUEST_ENTITY_TOO_LARGE, "a body that is too long")
        if not block.more:
            return msgspec.structs.replace(request, payload=body)
        self._keep(key, body, now)
        return None

    def is_begun(self, request: Message, remote: Peer) -> bool:
        """Return whether there is a body that a block belongs to."""
        return _key_of(request, remote) in self._begun

    def _body(self, key: Key, block: Block, now: float) -> bytes:
        """Take out what came before a block."""
        until, body = self._begun.pop(key, (0.0, b""))
        if block.number == 0:
            return b""
        if now >= until or block.start != len(body):
            raise CoapError(coap.REQUEST_ENTITY_INCOMPLETE, "a block that does not follow")
        return body

    def _keep(self, key: Key, body: bytes, now: float) -> None:
        while self._begun and (len(self._begun) >= self._max_bodies or now >= next(iter(self._begun.values()))[0]):
            self._begun.popitem(last=False)
        self._begun[key] = now + self._lifetime, body


def _key_of(request: Message, remote: Peer) -> Key:
    return remote, tuple(request.values(coap.URI_PATH))


def _block_of(request: Message) -> Block:
    block = parse_block(request.option(coap.BLOCK1) or b"")
    if block is None or (block.more and len(request.payload) != block.size):
        raise CoapError(coap.BAD_REQUEST, "a malformed block")
    return block

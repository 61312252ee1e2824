"""Many CoAP clients at once, in a process of their own: each fetches a file block by block (RFC 7959 §2.4)."""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from sluice_simulator import packet as coap
from sluice_simulator.packet import PacketError
from sluice_simulator.run import raise_file_limit

_SPARE_FILES: Final = 64
_RESEND_SECONDS: Final = 2.0
_GIVE_UP_SECONDS: Final = 60.0
_MORE: Final = 8


class Source(NamedTuple):
    """What a client fetches, and from where."""

    host: str
    port: int
    path: str


class Fetched(NamedTuple):
    """What came of a run.

    Attributes:
        whole: Clients that got a last block.
        blocks: Blocks that came, of all clients.
        received: Bytes that came.
        resent: Requests that were sent again.
        seconds: From the first request to the last block.
    """

    whole: int
    blocks: int
    received: int
    resent: int
    seconds: float


def fetch_all(sources: Sequence[Source], exponent: int) -> Fetched:
    """Fetch all sources at once, in another process, in blocks of 2^(exponent+4) bytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_fetch, (sources, exponent))


class _Client:
    """One client: a request, its answer, the next request."""

    def __init__(self, source: Source, exponent: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((source.host, source.port))
        self.socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._path = coap.encode_options(coap.path_options(source.path))
        self._exponent = exponent
        self.number = self.received = 0
        self.done = False
        self.asked_at = 0.0

    def ask(self) -> None:
        block = coap.encode_options(
            [(coap.BLOCK2, coap.uint_bytes(self.number << 4 | self._exponent))], after=coap.URI_PATH
        )
        mid = self.number & 0xFFFF
        self.socket.send(coap.encode(coap.CON, coap.GET, mid, mid.to_bytes(2), options=self._path + block))
        self.asked_at = time.monotonic()

    def take(self) -> None:
        try:
            answer = coap.decode(self.socket.recv(2_048))
        except (PacketError, OSError):
            return
        block = answer.uint(coap.BLOCK2)
        if answer.code != coap.CONTENT or block is None or block >> 4 != self.number:
            return
        self.number += 1
        self.received += len(answer.payload)
        self.done = not block & _MORE
        if not self.done:
            self.ask()


def _fetch(sources: Sequence[Source], exponent: int) -> Fetched:
    raise_file_limit(len(sources) + _SPARE_FILES)
    clients = [_Client(source, exponent) for source in sources]
    begin, resent = time.monotonic(), 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        while (waiting := [c for c in clients if not c.done]) and time.monotonic() < begin + _GIVE_UP_SECONDS:
            until = time.monotonic() + _RESEND_SECONDS
            while time.monotonic() < until and not all(c.done for c in waiting):
                for key, _ in selector.select(_RESEND_SECONDS):
                    key.data.take()
            for client in waiting:
                if not client.done and client.asked_at < time.monotonic() - _RESEND_SECONDS:
                    client.ask()
                    resent += 1
    seconds = time.monotonic() - begin
    for client in clients:
        client.socket.close()
    done = sum(client.done for client in clients)
    blocks, received = sum(c.number for c in clients), sum(c.received for c in clients)
    return Fetched(done, blocks, received, resent, seconds)

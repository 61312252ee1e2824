"""Messages already seen, with what was answered (RFC 7252 §4.5).

An entry is found for one lifetime; later the same bytes are a new message. Two generations stand in for a timer per
message: an entry takes memory for one to two lifetimes, less when a flood fills a generation. The whole
datagram is the key and not its Message ID alone: a device that restarts may count from the same number again, and its
new registration must not be answered with the old one's location. Nor must one that is the same byte for byte: an
answer can say until when it is current.
"""

from typing import NamedTuple

from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import IsCurrent

Key = tuple[Peer, bytes]
"""A source and its datagram. Only its hash is kept, so that a flood of large ones takes no more memory than of small:
64 bits by a secret of the process, of 131,072 messages two are alike once in ten thousand million times.
"""


Answer = tuple[bytes, ...]
"""Datagrams: the acknowledgement with the response, or both one after the other (RFC 7252 §5.2.2)."""


class _Noted(NamedTuple):
    answer: Answer
    until: float
    is_current: IsCurrent | None


class Duplicates:
    """What was answered to messages of the last minutes."""

    def __init__(self, lifetime: float, capacity: int) -> None:
        """Prepare.

        Args:
            lifetime: Seconds that an entry is found (EXCHANGE_LIFETIME), unless a flood pushes it out.
            capacity: Entries per generation.
        """
        self._lifetime = lifetime
        self._capacity = capacity
        self._young: dict[int, _Noted] = {}
        self._old: dict[int, _Noted] = {}
        self._next_generation_at = 0.0

    def find(self, key: Key, now: float) -> Answer | None:
        """Return the answer to a message seen before, empty while it is being worked on; None for a new message."""
        hashed = hash(key)
        noted = self._young.get(hashed) or self._old.get(hashed)
        if noted is None or now >= noted.until or not (noted.is_current is None or noted.is_current()):
            return None
        return noted.answer

    def note(self, key: Key, answer: Answer, now: float, is_current: IsCurrent | None = None) -> None:
        """Remember a message with its answer, while that is current."""
        if now >= self._next_generation_at or len(self._young) >= self._capacity:
            self._old, self._young = self._young, {}
            self._next_generation_at = now + self._lifetime
        self._young[hash(key)] = _Noted(answer, now + self._lifetime, is_current)

    def forget(self, key: Key) -> None:
        """Let a retransmission be worked on again."""
        self._young.pop(hash(key), None)
        self._old.pop(hash(key), None)

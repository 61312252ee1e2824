"""Messages already seen, with what was answered (RFC 7252 §4.5).

Two generations of entries stand in for a timer per message: an entry lives for one to two lifetimes, less when a flood
fills a generation. The whole datagram is the key and not its Message ID alone: a device that restarts may count from
the same number again, and its new registration must not be answered with the old one's location.
"""

from sluice_lwm2m.domain.addresses import Address

Key = tuple[Address, bytes]


class Duplicates:
    """What was answered to messages of the last minutes."""

    def __init__(self, lifetime: float, capacity: int) -> None:
        """Prepare.

        Args:
            lifetime: Seconds that an entry is kept at least (EXCHANGE_LIFETIME).
            capacity: Entries per generation.
        """
        self._lifetime = lifetime
        self._capacity = capacity
        self._young: dict[Key, bytes] = {}
        self._old: dict[Key, bytes] = {}
        self._turn_at = 0.0

    def find(self, key: Key) -> bytes | None:
        """Return the answer to a message seen before, empty while it is being worked on; None for a new message."""
        answer = self._young.get(key)
        return self._old.get(key) if answer is None else answer

    def note(self, key: Key, answer: bytes, now: float) -> None:
        """Remember a message with its answer."""
        if now >= self._turn_at or len(self._young) >= self._capacity:
            self._old, self._young = self._young, {}
            self._turn_at = now + self._lifetime
        self._young[key] = answer

    def forget(self, key: Key) -> None:
        """Let a retransmission be worked on again."""
        self._young.pop(key, None)
        self._old.pop(key, None)

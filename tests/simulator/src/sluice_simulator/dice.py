"""Seeded chance at run time: streams that depend on their name alone, never on timing.

A stream is named by seed, device and purpose, so that the n-th packet of device 17 is lost in every run of the same
seed, whatever the other devices and the clock do. Eight bytes of state where `random.Random` takes 2.5 KB per device.
"""

from hashlib import blake2b

_MASK = (1 << 64) - 1


class Dice:
    """One stream of pseudo-random numbers (splitmix64; Steele, Lea and Flood, OOPSLA 2014)."""

    __slots__ = ("_state",)

    def __init__(self, *name: int | str) -> None:
        digest = blake2b(repr(name).encode(), digest_size=8).digest()
        self._state = int.from_bytes(digest, "big")

    def bits(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return mixed ^ (mixed >> 31)

    def random(self) -> float:
        """The next number in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)

    def between(self, low: float, high: float) -> float:
        """The next number in [low, high)."""
        return low + (high - low) * self.random()

    def chance(self, probability: float) -> bool:
        """Return whether an event of this probability happens now."""
        return self.random() < probability

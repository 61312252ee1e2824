"""How long the gateway has waited for Kafka or MongoDB: what waits for too long ends the process."""

import time
from collections.abc import Callable


class PendingOperations:
    """Operations that have begun and not ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[int, float] = {}  # in order of insertion: the first is the oldest
        self._next = 0

    def begin(self) -> int:
        """Begin an operation; return the number by which it ends."""
        self._next += 1
        self._begun[self._next] = self._clock()
        return self._next

    def end(self, number: int) -> None:
        """End an operation."""
        del self._begun[number]

    def oldest(self) -> float:
        """Return for how many seconds the oldest has been pending; 0 if there is none."""
        begun = next(iter(self._begun.values()), None)
        return 0.0 if begun is None else self._clock() - begun

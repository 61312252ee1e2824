"""When it is said again: pauses between the attempts of one callback, and a breaker for a receiver that takes none."""

import random


def retry_delay(attempts: int, first: float, max_delay: float, chance: random.Random) -> float:
    """Return seconds until the next attempt: exponential, with up to a quarter of jitter.

    Args:
        attempts: Attempts that have failed, from 1.
        first: Seconds after the first failure.
        max_delay: Bound, jitter excluded.
        chance: Source of the jitter.
    """
    delay = min(max_delay, first * 2.0 ** min(attempts - 1, 32))
    return delay * (1 + chance.random() / 4)


class Breaker:
    """Holds back the posts to a receiver that fails: one post a pause asks whether it takes them again.

    However much waits for a receiver that is down, it is called as often as for one callback. Times are seconds of one
    clock that never goes back.

    Args:
        after: Failures in a row that open it.
        first: Seconds of the first pause.
        max_pause: Most seconds of a pause, jitter excluded.
        chance: Source of the jitter.
    """

    def __init__(self, after: int, first: float, max_pause: float, chance: random.Random) -> None:
        self._after = after
        self._first = first
        self._max_pause = max_pause
        self._chance = chance
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Return whether the receiver is called as if nothing were wrong."""
        return self._failures < self._after

    def limit(self, now: float, most: int) -> int:
        """Return how many posts may be under way: `most`, none during a pause, one after it."""
        if self.is_closed:
            return most
        return 0 if now < self._open_until else 1

    def succeed(self) -> None:
        """Note a post that was taken."""
        self._failures = 0

    def fail(self, now: float, retry_after: float | None = None) -> None:
        """Note a post that failed. Posts that were under way when the breaker opened say nothing new.

        Args:
            now: The time.
            retry_after: Seconds for which the receiver wants no post, which open it at once.
        """
        if not self.is_closed and now < self._open_until:
            return
        self._failures = self._failures + 1 if retry_after is None else max(self._failures + 1, self._after)
        if not self.is_closed:
            pause = retry_delay(self._failures - self._after + 1, self._first, self._max_pause, self._chance)
            self._open_until = now + max(pause, retry_after or 0.0)

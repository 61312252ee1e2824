"""When a service that ended by itself is started again."""

FIRST = 0.5
"""Seconds before the first restart."""
LONGEST = 30.0
"""Seconds between restarts of a service that keeps ending."""
STEADY = 20.0
"""Seconds of life after which earlier failures no longer count."""


def failures_after(failures: int, lived: float) -> int:
    """Return how many failures in a row there are after one more, which came `lived` seconds after the start."""
    return 1 if lived >= STEADY else failures + 1


def delay(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row (at least one)."""
    return min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16))

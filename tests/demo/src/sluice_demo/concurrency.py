"""Arithmetic on intervals of time: when slots were held or waited for, how many at once, how well they were used."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from sluice_demo.executions import Execution

Interval = tuple[float, float]
"""Start and end, in seconds of one clock."""
_WAITS, _GRANTED = "AWAIT_SLOT", "OBSERVE"
_RELEASED = frozenset({"CANCEL_OBSERVE", "RETRY_WAIT", "ENDED", _WAITS})
"""Steps that an execution without a slot is in."""


def holds(execution: Execution) -> Iterator[Interval]:
    """Yield from each grant to its release, in seconds since 1970."""
    granted: float | None = None
    for entry in execution.history:
        if entry.step == _GRANTED:
            granted = entry.at.timestamp()
        elif granted is not None and entry.step in _RELEASED:
            yield granted, entry.at.timestamp()
            granted = None


def waits(execution: Execution) -> Iterator[Interval]:
    """Yield each time in which it waited for a slot, in seconds since 1970."""
    for entry, following in pairwise(execution.history):
        if entry.step == _WAITS:
            yield entry.at.timestamp(), following.at.timestamp()


def overlaps(intervals: Iterable[Interval], others: Sequence[Interval]) -> Iterator[Interval]:
    """Yield what each interval has in common with each of the others."""
    for start, end in intervals:
        for other_start, other_end in others:
            common = max(start, other_start), min(end, other_end)
            if common[0] < common[1]:
                yield common


def levels(intervals: Iterable[Interval]) -> list[tuple[float, int]]:
    """Return the number of open intervals as steps (time, count from then on), in order of time."""
    changes: defaultdict[float, int] = defaultdict(int)
    for start, end in intervals:
        changes[start] += 1
        changes[end] -= 1
    steps, count = [], 0
    for at in sorted(changes):
        count += changes[at]
        steps.append((at, count))
    return steps


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the times that at least one interval covers."""
    found: list[Interval] = []
    begin: float | None = None
    for at, count in levels(intervals):
        if count and begin is None:
            begin = at
        elif not count and begin is not None:
            found.append((begin, at))
            begin = None
    return found


def queued_peak(held: Iterable[Interval], waiting: Iterable[Interval], limit: int) -> int:
    """Return how many waited at most while all slots were held."""
    both = _both(levels(held), levels(waiting))
    return max((waiters for start, end, holders, waiters in both if holders >= limit and end > start), default=0)


def utilisation(held: Iterable[Interval], waiting: Iterable[Interval], limit: int) -> float | None:
    """Return the share of slot time that was held while somebody waited; None if nobody did."""
    busy = possible = 0.0
    for start, end, holders, waiters in _both(levels(held), levels(waiting)):
        if waiters:
            busy += min(holders, limit) * (end - start)
            possible += limit * (end - start)
    return round(busy / possible, 3) if possible else None


def _both(
    left: Sequence[tuple[float, int]], right: Sequence[tuple[float, int]]
) -> Iterator[tuple[float, float, int, int]]:
    """Yield (start, end, left count, right count) for each stretch of time on which neither changes."""
    changes = sorted([(at, 0, count) for at, count in left] + [(at, 1, count) for at, count in right])
    counts = [0, 0]
    for (at, which, count), (end, *_) in pairwise(changes):
        counts[which] = count
        yield at, end, counts[0], counts[1]

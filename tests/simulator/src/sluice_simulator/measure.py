"""What the timelines of a fleet say about the platform: pure functions, no clock, no sockets.

A device **holds** from the receipt of the Package URI until it has answered `/5/0/5` after the attempt's end; one that
never comes to tell (it died, was stopped, stalled, or was given up) until its last served block. It **waits** from its
answer about coverage to the receipt of the Package URI, while it is awake. Intervals are half open: at the instant
where one device ends and another begins there is one.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sluice_simulator.coverage import LIMITS, RadioClass, Window
from sluice_simulator.timeline import BEGINS_WAIT, ENDS_WAIT, Event, Timeline, What

_BLOCKS: Final = frozenset({What.FIRST_BLOCK, What.LAST_BLOCK})

Series = list[tuple[float, int]]
"""Steps: from this time on, so many."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A time that a device spent in a window.

    Attributes:
        endpoint: The device.
        attempt: Which of its attempts.
        window: Cell and class as last reported; None if it never reported any.
        start: Monotonic seconds.
        end: Monotonic seconds.
    """

    endpoint: str
    attempt: int
    window: Window | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class WindowReport:
    """One window over the whole run.

    Attributes:
        cell: Cell ID.
        radio_class: Coverage class.
        limit: Devices that may hold at once.
        peak: Devices that did.
        queued_peak: Most awake devices that waited at once while every slot was taken.
        violations: Instants at which the number of holders rose above the limit.
        utilisation: Share of the slots in use while an awake device waited; None where none queued.
        series: Holders over time.
    """

    cell: int
    radio_class: RadioClass
    limit: int
    peak: int
    queued_peak: int
    violations: int
    utilisation: float | None
    series: Series


def holds(timeline: Timeline, now: float, *, over: bool = False) -> list[Interval]:
    """When a device held a slot.

    Args:
        timeline: Of the device.
        now: End of a hold that goes on, monotonic seconds.
        over: Whether its execution has ended: then nothing goes on, the platform gave up what looks open.
    """
    intervals: list[Interval] = []
    attempts = {event.attempt for event in timeline.events}
    for attempt in sorted(attempts):
        events = [event for event in timeline.events if event.attempt == attempt]
        begin = next((event for event in events if event.what is What.URI_RECEIVED), None)
        if begin is None:
            continue
        # A new Package URI tells that the platform gave up the attempt before.
        given_up = over or attempt < max(attempts)
        end = _hold_end(events, begin.at, None if given_up else now)
        intervals.append(Interval(timeline.endpoint, attempt, begin.window, begin.at, end))
    return intervals


def waits(timeline: Timeline, now: float, ended: float | None = None) -> list[Interval]:
    """When a device was awake and waited for a slot.

    Args:
        timeline: Of the device.
        now: End of a wait that goes on, monotonic seconds.
        ended: When its execution ended, where that is known: one that is stopped in the queue waits no longer.
    """
    cut = now if ended is None else ended
    intervals: list[Interval] = []
    window: Window | None = None
    begin: Event | None = None
    for event in timeline.events:
        if begin is not None and (event.what in ENDS_WAIT or event.window is not None):
            intervals.append(_wait(timeline, window, begin, event.at))
            begin = None
        if event.what is What.COVERAGE_REPORTED:
            window = event.window
        if event.what in BEGINS_WAIT:
            begin = event
    if begin is not None:
        intervals.append(_wait(timeline, window, begin, min(now, timeline.awake_until)))
    return [replace(one, end=min(one.end, cut)) for one in intervals if one.start < cut]


def concurrency(intervals: Iterable[Interval]) -> Series:
    """How many intervals cover each moment, as steps."""
    changes: dict[float, int] = defaultdict(int)
    for one in intervals:
        if one.end > one.start:
            changes[one.start] += 1
            changes[one.end] -= 1
    series: Series = []
    count = 0
    for at in sorted(changes):
        if changes[at]:
            count += changes[at]
            series.append((at, count))
    return series


def peak(series: Series) -> int:
    """The highest step."""
    return max((count for _, count in series), default=0)


def violations(series: Series, limit: int) -> int:
    """Instants at which the count rose while, or to, above the limit."""
    counts = [0, *(count for _, count in series)]
    return sum(later > max(limit, before) for before, later in itertools.pairwise(counts))


def utilisation(held: Series, waiting: Series, limit: int) -> float | None:
    """Share of the slots in use over the time that somebody waited; None if nobody did while all were taken."""
    waited = used = 0.0
    queued = False
    for start, end, holding, queue in _side_by_side(held, waiting):
        if queue:
            waited += end - start
            used += (end - start) * min(holding, limit)
            queued |= holding >= limit
    return used / (waited * limit) if queued and waited else None


def windows(
    timelines: Sequence[Timeline],
    now: float,
    *,
    limits: Mapping[RadioClass, int] = LIMITS,
    ended: Mapping[str, float] | None = None,
    over: bool = False,
) -> list[WindowReport]:
    """A report for every window that a device held or waited for, by cell and class.

    Args:
        timelines: Of the fleet.
        now: End of what is still going on, monotonic seconds.
        limits: Devices at once, by class.
        ended: Endpoint → when its execution ended, for those whose end is known.
        over: Whether all have ended.
    """
    ends = ended or {}
    held: dict[Window | None, list[Interval]] = defaultdict(list)
    waiting: dict[Window | None, list[Interval]] = defaultdict(list)
    for timeline in timelines:
        for one in holds(timeline, now, over=over or timeline.endpoint in ends):
            held[one.window].append(one)
        for one in waits(timeline, now, ends.get(timeline.endpoint)):
            waiting[one.window].append(one)
    known = {window for window in {*held, *waiting} if window is not None}
    return [_report(window, limits[window[1]], held[window], waiting[window]) for window in sorted(known)]


def holds_without_coverage(timelines: Iterable[Timeline]) -> list[tuple[str, int]]:
    """Endpoint and attempt of each Package URI to a device that had not been asked for its cell."""
    return [
        (timeline.endpoint, event.attempt)
        for timeline in timelines
        for event in timeline.events
        if event.what is What.URI_RECEIVED and event.window is None
    ]


def double_executes(timelines: Iterable[Timeline]) -> list[tuple[str, int]]:
    """Endpoint and attempt wherever a device was told to update more than once in an attempt."""
    found = []
    for timeline in timelines:
        executes = [event.attempt for event in timeline.events if event.what is What.EXECUTED]
        twice = sorted({attempt for attempt in executes if executes.count(attempt) > 1})
        found += [(timeline.endpoint, attempt) for attempt in twice]
    return found


def _hold_end(events: list[Event], start: float, now: float | None) -> float:
    """The end of one attempt's hold: `now` while it may go on, None for an attempt that does not."""
    last_block = max((event.at for event in events if event.what in _BLOCKS), default=start)
    for event in events:
        if event.what is What.RESULT_REPORTED:
            return event.at
        if event.what in {What.ABORTED, What.DIED}:
            return last_block
    return last_block if now is None else now


def _wait(timeline: Timeline, window: Window | None, begin: Event, end: float) -> Interval:
    return Interval(timeline.endpoint, begin.attempt, window, begin.at, end)


def _side_by_side(left: Series, right: Series) -> list[tuple[float, float, int, int]]:
    """Both series over their common steps: start, end, left count, right count."""
    steps = sorted({at for at, _ in left} | {at for at, _ in right})
    lefts, rights = dict(left), dict(right)
    spans = []
    one = other = 0
    for start, end in itertools.pairwise(steps):
        one, other = lefts.get(start, one), rights.get(start, other)
        spans.append((start, end, one, other))
    return spans


def _report(window: Window, limit: int, held: list[Interval], waiting: list[Interval]) -> WindowReport:
    series, queue = concurrency(held), concurrency(waiting)
    full = [waited for _, _, holding, waited in _side_by_side(series, queue) if holding >= limit]
    return WindowReport(
        cell=window[0],
        radio_class=window[1],
        limit=limit,
        peak=peak(series),
        queued_peak=max(full, default=0),
        violations=violations(series, limit),
        utilisation=utilisation(series, queue, limit),
        series=series,
    )

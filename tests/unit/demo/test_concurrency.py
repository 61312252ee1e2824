"""Intervals are counted right, and holds last from the grant to the release."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_demo.concurrency import Interval, holds, levels, merged, overlaps, queued_peak, utilisation, waits
from sluice_demo.executions import Execution, HistoryEntry

START = datetime(2026, 1, 1, tzinfo=UTC)


def execution(*steps: tuple[float, str]) -> Execution:
    return Execution(
        execution_id="t:a",
        task_id="t",
        device_id="a",
        endpoint="a",
        status="SUCCEEDED",
        step="ENDED",
        attempt=1,
        history=tuple(HistoryEntry(at=START + timedelta(seconds=at), attempt=1, step=step) for at, step in steps),
    )


def relative(intervals: Iterable[Interval]) -> list[Interval]:
    return [(start - START.timestamp(), end - START.timestamp()) for start, end in intervals]


RETRIED = execution(
    (0, "AWAIT_SLOT"),
    (1, "OBSERVE"),
    (2, "DOWNLOADING"),
    (9, "CLOSING"),
    (10, "RETRY_WAIT"),
    (15, "AWAIT_SLOT"),
    (17, "OBSERVE"),
    (24, "QUERY_RESULT"),
    (25, "CANCEL_OBSERVE"),
    (26, "ENDED"),
)


def test_a_slot_is_held_from_the_grant_until_the_result_is_known_or_the_attempt_is_fenced() -> None:
    assert relative(holds(RETRIED)) == [(1, 10), (17, 25)]


def test_a_slot_is_waited_for_until_the_grant() -> None:
    assert relative(waits(RETRIED)) == [(0, 1), (15, 17)]


def test_a_sleeping_device_waits_only_while_it_is_awake() -> None:
    assert list(overlaps([(0, 10), (20, 30)], [(-5, 2), (8, 21)])) == [(0, 2), (8, 10), (20, 21)]


def test_intervals_that_touch_do_not_overlap() -> None:
    assert levels([(0, 5), (5, 9)]) == [(0, 1), (5, 1), (9, 0)]


def test_intervals_are_merged_where_they_overlap() -> None:
    assert merged([(0, 2), (1, 4), (6, 7)]) == [(0, 4), (6, 7)]


def test_utilisation_counts_only_the_time_in_which_somebody_queues() -> None:
    assert utilisation([(0, 10), (0, 5)], [(0, 10)], limit=2) == 0.75


def test_utilisation_is_unknown_where_nobody_waits() -> None:
    assert utilisation([(0, 10)], [], limit=2) is None


def test_only_those_who_wait_while_all_slots_are_held_are_queued() -> None:
    waiting = [(0, 1), (0, 1), (0, 1), (4, 6), (5, 6)]
    assert queued_peak([(1, 9), (3, 9)], waiting, limit=2) == 2
    assert queued_peak([(1, 9)], waiting, limit=2) == 0


intervals = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda pair: (float(pair[0]), float(pair[0] + pair[1]))),
    max_size=12,
)


@given(intervals)
def test_levels_are_what_counting_at_each_moment_gives(found: list[Interval]) -> None:
    for at, count in levels(found):
        assert count == sum(start <= at < end for start, end in found)


@given(held=intervals, queued=intervals, limit=st.integers(1, 5))
def test_utilisation_is_what_counting_each_second_gives(
    held: list[Interval], queued: list[Interval], limit: int
) -> None:
    seconds = [s for s in range(80) if any(start <= s < end for start, end in queued)]
    busy = [min(limit, sum(start <= s < end for start, end in held)) for s in seconds]
    found = utilisation(held, queued, limit)
    assert found == (pytest.approx(sum(busy) / (limit * len(seconds)), abs=0.001) if seconds else None)

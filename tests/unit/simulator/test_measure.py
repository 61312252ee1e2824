"""Holding, waiting, concurrency and violations, from timelines written by hand."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator import measure
from sluice_simulator.coverage import RadioClass, Window
from sluice_simulator.measure import Interval
from sluice_simulator.timeline import Timeline, What

HERE: Window = (7, RadioClass.LEVEL_2)
THERE: Window = (8, RadioClass.LEVEL_2)
END = 100.0


def timeline(*events: tuple[float, What] | tuple[float, What, Window], name: str = "d") -> Timeline:
    """Events in order; each URI begins an attempt, coverage and URI are of `HERE` unless they say otherwise."""
    made, attempt = Timeline(name), 0
    for at, what, *window in events:
        attempt += what is What.URI_RECEIVED
        concerned = what in {What.URI_RECEIVED, What.COVERAGE_REPORTED}
        made.add(at, what, attempt, window[0] if window else HERE if concerned else None)
    return made


def spans(intervals: Iterable[Interval]) -> list[tuple[float, float]]:
    return [(one.start, one.end) for one in intervals]


BLOCKS = ((2.0, What.FIRST_BLOCK), (5.0, What.LAST_BLOCK))


def test_a_device_holds_until_it_has_answered_about_the_result() -> None:
    done = timeline((1.0, What.URI_RECEIVED), *BLOCKS, (6.0, What.EXECUTED), (8.0, What.RESULT_REPORTED))
    assert spans(measure.holds(done, END)) == [(1.0, 8.0)]


@pytest.mark.parametrize("what", [What.DIED, What.ABORTED])
def test_one_that_dies_or_is_stopped_holds_until_its_last_block(what: What) -> None:
    assert spans(measure.holds(timeline((1.0, What.URI_RECEIVED), *BLOCKS, (9.0, what)), END)) == [(1.0, 5.0)]


def test_one_that_dies_before_its_first_block_does_not_hold() -> None:
    assert spans(measure.holds(timeline((1.0, What.URI_RECEIVED), (9.0, What.DIED)), END)) == [(1.0, 1.0)]


def test_an_attempt_under_way_holds_until_now_and_no_longer_when_all_is_over() -> None:
    running = timeline((1.0, What.URI_RECEIVED), *BLOCKS)
    assert spans(measure.holds(running, 50.0)) == [(1.0, 50.0)]
    assert spans(measure.holds(running, 50.0, over=True)) == [(1.0, 5.0)]


def test_a_new_attempt_tells_that_the_one_before_was_given_up() -> None:
    retried = timeline((1.0, What.URI_RECEIVED), *BLOCKS, (20.0, What.URI_RECEIVED), (30.0, What.RESULT_REPORTED))
    assert spans(measure.holds(retried, END)) == [(1.0, 5.0), (20.0, 30.0)]


def test_the_slot_is_that_of_the_cell_reported_last() -> None:
    moved = timeline(
        (0.0, What.COVERAGE_REPORTED, HERE), (0.5, What.COVERAGE_REPORTED, THERE), (1.0, What.URI_RECEIVED, THERE)
    )
    assert [one.window for one in measure.holds(moved, END)] == [THERE]
    assert [(one.window, one.start, one.end) for one in measure.waits(moved, END)] == [
        (HERE, 0.0, 0.5),
        (THERE, 0.5, 1.0),
    ]


def test_a_device_waits_while_it_is_awake() -> None:
    sleeper = timeline((1.0, What.COVERAGE_REPORTED), (3.0, What.ASLEEP), (10.0, What.AWAKE), (12.0, What.URI_RECEIVED))
    assert spans(measure.waits(sleeper, END)) == [(1.0, 3.0), (10.0, 12.0)]


@pytest.mark.parametrize("what", [What.DIED, What.REBOOTED])
def test_a_dead_or_rebooting_device_waits_no_longer(what: What) -> None:
    assert spans(measure.waits(timeline((1.0, What.COVERAGE_REPORTED), (4.0, what)), END)) == [(1.0, 4.0)]


def test_a_wait_that_goes_on_ends_now_or_when_the_device_falls_asleep() -> None:
    waiting = timeline((1.0, What.COVERAGE_REPORTED))
    assert spans(measure.waits(waiting, 50.0)) == [(1.0, 50.0)]
    waiting.awake_until = 30.0
    assert spans(measure.waits(waiting, 50.0)) == [(1.0, 30.0)]


def test_an_execution_that_ended_in_the_queue_ends_the_wait() -> None:
    stopped = timeline((1.0, What.COVERAGE_REPORTED), (20.0, What.ASLEEP), (30.0, What.AWAKE))
    assert spans(measure.waits(stopped, END, ended=10.0)) == [(1.0, 10.0)]


def hold(start: float, end: float) -> Interval:
    return Interval("d", 1, HERE, start, end)


def test_at_the_instant_of_a_handover_there_is_one_holder() -> None:
    series = measure.concurrency([hold(1.0, 5.0), hold(5.0, 9.0), hold(2.0, 3.0)])
    assert series == [(1.0, 1), (2.0, 2), (3.0, 1), (9.0, 0)]
    assert measure.peak(series) == 2


def test_violations_count_the_instants_above_the_limit() -> None:
    series = [(0.0, 1), (1.0, 2), (2.0, 3), (3.0, 2), (4.0, 1), (5.0, 2)]
    assert measure.violations(series, 1) == 3
    assert measure.violations(series, 2) == 1
    assert measure.violations(series, 3) == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), max_size=12))
def test_concurrency_is_what_counting_each_moment_gives(pairs: list[list[int]]) -> None:
    series = measure.concurrency(hold(start, end) for start, end in pairs)
    counts, steps = 0, dict(series)
    for moment in range(51):
        counts = steps.get(moment, counts)
        assert counts == sum(start <= moment < end for start, end in pairs)
    assert all(one[1] != other[1] for one, other in itertools.pairwise(series))


def test_utilisation_is_over_the_time_that_somebody_waited() -> None:
    held, waiting = [(0.0, 2), (4.0, 1), (8.0, 0)], [(2.0, 1), (6.0, 0)]
    assert measure.utilisation(held, waiting, 2) == pytest.approx((2 * 2 + 2 * 1) / (4 * 2))


def test_where_nobody_queued_there_is_no_utilisation() -> None:
    assert measure.utilisation([(0.0, 1), (8.0, 0)], [(2.0, 1), (6.0, 0)], 2) is None
    assert measure.utilisation([(0.0, 2), (8.0, 0)], [], 2) is None


@pytest.mark.requirement("R069", "R072")
def test_a_window_is_reported_with_its_peak_its_queue_and_what_went_wrong() -> None:
    first = timeline((1.0, What.COVERAGE_REPORTED), (2.0, What.URI_RECEIVED), (10.0, What.RESULT_REPORTED), name="a")
    second = timeline((1.0, What.COVERAGE_REPORTED), (9.0, What.URI_RECEIVED), (15.0, What.RESULT_REPORTED), name="b")
    third = timeline((1.0, What.COVERAGE_REPORTED), name="c")
    (report,) = measure.windows([first, second, third], 20.0, ended={"c": 12.0})
    assert (report.cell, report.radio_class, report.limit) == (*HERE, 1)
    assert (report.peak, report.violations, report.queued_peak) == (2, 1, 2)
    assert report.utilisation == pytest.approx(10 / 11)
    assert report.series == [(2.0, 1), (9.0, 2), (10.0, 1), (15.0, 0)]


def test_limits_may_be_given() -> None:
    held = timeline((2.0, What.URI_RECEIVED), (10.0, What.RESULT_REPORTED))
    (report,) = measure.windows([held], 20.0, limits={RadioClass.LEVEL_2: 0})
    assert (report.limit, report.violations) == (0, 1)


def test_two_executes_in_one_attempt_are_found_and_one_in_each_are_not() -> None:
    twice = timeline((1.0, What.URI_RECEIVED), (6.0, What.EXECUTED), (7.0, What.EXECUTED), name="twice")
    retried = timeline(
        (1.0, What.URI_RECEIVED), (6.0, What.EXECUTED), (8.0, What.URI_RECEIVED), (9.0, What.EXECUTED), name="retried"
    )
    assert measure.double_executes([twice, retried]) == [("twice", 1)]


def test_a_package_for_a_device_of_unknown_cell_is_found() -> None:
    unasked = Timeline("unasked")
    unasked.add(1.0, What.URI_RECEIVED, 1)
    assert measure.holds_without_coverage([unasked, timeline((1.0, What.URI_RECEIVED))]) == [("unasked", 1)]
    assert measure.windows([unasked], 2.0) == []

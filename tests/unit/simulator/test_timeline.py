"""What a timeline keeps and what it leaves out."""

from sluice_simulator.coverage import RadioClass, Window
from sluice_simulator.timeline import Timeline, What

HERE: Window = (7, RadioClass.LEVEL_0)
THERE: Window = (8, RadioClass.LEVEL_1)


def kinds(timeline: Timeline) -> list[What]:
    return [event.what for event in timeline.events]


def test_of_blocks_only_the_first_and_the_last_are_kept() -> None:
    timeline = Timeline("d")
    for at in range(5):
        timeline.block(float(at), attempt=1)
    assert [(event.at, event.what) for event in timeline.events] == [(0.0, What.FIRST_BLOCK), (4.0, What.LAST_BLOCK)]


def test_each_attempt_has_a_first_block() -> None:
    timeline = Timeline("d")
    for attempt in (1, 2):
        timeline.add(float(attempt), What.URI_RECEIVED, attempt, HERE)
        timeline.block(attempt + 0.1, attempt)
        timeline.block(attempt + 0.2, attempt)
    assert kinds(timeline) == [What.URI_RECEIVED, What.FIRST_BLOCK, What.LAST_BLOCK] * 2


def test_coverage_told_again_is_kept_once_until_it_changes() -> None:
    timeline = Timeline("d")
    for window in (HERE, HERE, THERE):
        timeline.coverage(1.0, 0, window)
    assert [event.window for event in timeline.events] == [HERE, THERE]


def test_coverage_told_after_an_attempt_begins_a_new_wait() -> None:
    timeline = Timeline("d")
    timeline.coverage(1.0, 0, HERE)
    timeline.add(2.0, What.URI_RECEIVED, 1, HERE)
    timeline.coverage(3.0, 1, HERE)
    assert kinds(timeline) == [What.COVERAGE_REPORTED, What.URI_RECEIVED, What.COVERAGE_REPORTED]


def test_a_look_at_the_result_does_not_end_a_wait() -> None:
    timeline = Timeline("d")
    timeline.coverage(1.0, 0, HERE)
    timeline.add(2.0, What.RESULT_REPORTED, 0)
    timeline.coverage(3.0, 0, HERE)
    timeline.slept(4.0, 5.0, 0)
    assert kinds(timeline) == [What.COVERAGE_REPORTED, What.RESULT_REPORTED, What.ASLEEP, What.AWAKE]


def test_sleep_is_kept_only_while_the_device_waits() -> None:
    timeline = Timeline("d")
    timeline.slept(1.0, 2.0, 0)
    assert timeline.events == []
    timeline.coverage(3.0, 0, HERE)
    timeline.slept(4.0, 5.0, 0)
    timeline.slept(6.0, 7.0, 0)
    assert kinds(timeline) == [What.COVERAGE_REPORTED, *[What.ASLEEP, What.AWAKE] * 2]
    waited = timeline.waiting
    timeline.add(8.0, What.URI_RECEIVED, 1, HERE)
    timeline.slept(9.0, 10.0, 1)
    assert (waited, timeline.waiting) == (True, False)
    assert timeline.events[-1].what is What.URI_RECEIVED

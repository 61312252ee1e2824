"""A stall differs from being idle and from being slow."""

from sluice_scheduler.application.devices.stall_detector import StallDetector


def test_a_worker_that_nothing_waits_for_may_stand_still() -> None:
    stall_detector = StallDetector(60)
    assert [stall_detector.look(now, {}) for now in (0, 100, 1000)] == [[], [], []]


def test_a_figure_that_something_waits_behind_must_move_within_the_limit() -> None:
    stall_detector = StallDetector(60)
    assert stall_detector.look(0, {"position of 3": 7}) == []
    assert stall_detector.look(60, {"position of 3": 7}) == []
    assert stall_detector.look(61, {"position of 3": 7}) == ["position of 3"]


def test_slow_progress_is_no_stall() -> None:
    stall_detector = StallDetector(60)
    assert [stall_detector.look(now, {"position of 3": now}) for now in (0, 50, 100, 150)] == [[], [], [], []]


def test_a_figure_that_nothing_waited_behind_meanwhile_begins_anew() -> None:
    stall_detector = StallDetector(60)
    stall_detector.look(0, {"commit of 1": 7})
    stall_detector.look(50, {})
    assert stall_detector.look(100, {"commit of 1": 7}) == []


def test_one_figure_that_stands_still_is_a_stall_though_another_moves_on() -> None:
    stall_detector = StallDetector(60)
    stall_detector.look(0, {"commit of 1": 7, "commit of 2": 7})
    assert stall_detector.look(70, {"commit of 1": 7, "commit of 2": 8}) == ["commit of 1"]

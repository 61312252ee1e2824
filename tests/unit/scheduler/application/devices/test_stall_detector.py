"""Standing still is told from being idle and from being slow."""

import subprocess
import sys

from sluice_scheduler.application.devices.stall_detector import Standstill


def test_who_waits_for_nothing_may_stand_still() -> None:
    standstill = Standstill(60)
    assert [standstill.look(now, {}) for now in (0, 100, 1000)] == [[], [], []]


def test_a_figure_that_something_waits_behind_must_move_within_the_limit() -> None:
    standstill = Standstill(60)
    assert standstill.look(0, {"position of 3": 7}) == []
    assert standstill.look(60, {"position of 3": 7}) == []
    assert standstill.look(61, {"position of 3": 7}) == ["position of 3"]


def test_slow_progress_is_progress() -> None:
    standstill = Standstill(60)
    assert [standstill.look(now, {"position of 3": now}) for now in (0, 50, 100, 150)] == [[], [], [], []]


def test_having_waited_for_nothing_meanwhile_begins_anew() -> None:
    standstill = Standstill(60)
    standstill.look(0, {"commit of 1": 7})
    standstill.look(50, {})
    assert standstill.look(100, {"commit of 1": 7}) == []


def test_each_figure_counts_by_itself() -> None:
    standstill = Standstill(60)
    standstill.look(0, {"commit of 1": 7, "commit of 2": 7})
    assert standstill.look(70, {"commit of 1": 7, "commit of 2": 8}) == ["commit of 1"]


def test_a_process_that_cannot_stop_is_ended_all_the_same() -> None:
    module = "sluice_scheduler.application.devices.stall_detector"
    script = f"import time; from {module} import end_within; end_within(0.1); time.sleep(9)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 1

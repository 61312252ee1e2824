"""The demo notices every kind of difference, and nothing else."""

import pytest

from sluice_demo.comparison import (
    Expectation,
    callback_differences,
    execution_differences,
    idle_windows,
    progress_differences,
    saturation_differences,
)
from sluice_demo.executions import Execution, Reason
from sluice_demo.report import WindowReport


def execution(endpoint: str, status: str, reason: str | None = None) -> Execution:
    return Execution(
        execution_id=f"t:{endpoint}",
        task_id="t",
        device_id=endpoint,
        endpoint=endpoint,
        status=status,
        step="ENDED",
        attempt=1,
        reason=Reason(code=reason) if reason else None,
    )


def window(coverage_class: str, peak: int, queued_peak: int, utilisation: float | None = None) -> WindowReport:
    return WindowReport(
        cell=1,
        coverage_class=coverage_class,
        limit=10,
        peak=peak,
        queued_peak=queued_peak,
        utilisation=utilisation,
    )


HEALTHY = Expectation("healthy", "SUCCEEDED")
DEAD = Expectation("silent death", "FAILED", ("download_timeout", "version_timeout"))


def test_devices_that_end_as_they_should_differ_in_nothing() -> None:
    found = [execution("a", "SUCCEEDED"), execution("b", "FAILED", "version_timeout")]
    assert list(execution_differences({"a": HEALTHY, "b": DEAD}, found)) == []


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (execution("b", "SUCCEEDED"), "ended SUCCEEDED (no reason), not FAILED"),
        (execution("b", "FAILED", "online_timeout"), "ended FAILED (online_timeout), not for download_timeout"),
        (execution("b", "RUNNING"), "ended RUNNING (no reason), not FAILED"),
    ],
)
def test_another_end_or_reason_is_named_with_the_device(ended: Execution, words: str) -> None:
    (difference,) = execution_differences({"b": DEAD}, [ended])
    assert difference.startswith(f"b (silent death): {words}")


def test_a_missing_and_a_second_and_a_strange_execution_are_differences() -> None:
    twice = [execution("a", "SUCCEEDED"), execution("a", "SUCCEEDED"), execution("x", "SUCCEEDED")]
    assert list(execution_differences({"a": HEALTHY, "b": HEALTHY}, twice)) == [
        "a (healthy): 2 executions, not 1",
        "b (healthy): 0 executions, not 1",
        "x: has an execution that nobody asked for",
    ]


def test_results_that_were_called_back_twice_or_in_any_order_are_right() -> None:
    ended = [execution("a", "SUCCEEDED"), execution("b", "FAILED")]
    assert list(callback_differences(ended, [("t:b", "FAILED"), ("t:a", "SUCCEEDED"), ("t:b", "FAILED")])) == []


def test_missing_and_wrong_callbacks_are_differences() -> None:
    assert list(callback_differences([execution("a", "SUCCEEDED")], [("t:a", "FAILED")])) == [
        "t:a: no callback of SUCCEEDED",
        "t:a: a callback of FAILED, which is not its result",
    ]


@pytest.mark.parametrize(
    ("progress", "differences"),
    [
        ({"total": 3, "waiting": 0, "running": 0, "succeeded": 1, "failed": 1, "stopped": 1}, 0),
        ({"total": 3, "waiting": 0, "running": 0, "succeeded": 1, "failed": 1, "stopped": 0}, 1),
        ({"total": 3, "waiting": 0, "running": 1, "succeeded": 1, "failed": 1, "stopped": 0}, 1),
    ],
)
def test_the_counts_of_a_finished_task_add_up_to_its_total(progress: dict[str, int], differences: int) -> None:
    assert len(list(progress_differences(progress))) == differences


def test_a_class_is_saturated_by_a_window_that_is_full_while_others_queue() -> None:
    windows = [window("level-0", 10, 3), window("level-1", 10, 0), window("level-2", 9, 3)]
    assert list(saturation_differences(windows, ["level-0", "level-1", "level-2"])) == [
        "no window of level-1 was full while others queued",
        "no window of level-2 was full while others queued",
    ]


def test_only_windows_with_a_queue_can_idle() -> None:
    idle = window("level-0", 10, 3, utilisation=0.89)
    assert idle_windows([idle, window("level-0", 10, 3, utilisation=0.9), window("level-0", 2, 0)]) == [idle]

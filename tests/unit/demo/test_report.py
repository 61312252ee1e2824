"""The report has the keys that readers rely on, and its figures are right."""

import json
from pathlib import Path

import pytest

from sluice_demo.report import (
    CallbackCounts,
    MqttReport,
    Report,
    StepTimes,
    WindowReport,
    cpu_per_upgrade,
    percentile,
    shown_delays,
    step_times,
)


def test_the_json_has_exactly_the_agreed_keys(tmp_path: Path) -> None:
    window = WindowReport(cell=1, coverage_class="level-0", limit=50, peak=50, queued_peak=4, utilisation=0.97)
    report = Report(
        devices=3,
        succeeded=1,
        failed=1,
        stopped=1,
        violations=0,
        makespan_s=61.5,
        callbacks=CallbackCounts(expected=3, received=3, duplicates=1, delay_p50_s=0.4, delay_p99_s=1.5),
        windows=[window],
        cpu_ms_per_upgrade={"api": 2.0, "total": 2.0},
        steps={"DOWNLOADING": StepTimes(p50=8.1, p99=9.0)},
        shown_p50_s=0.3,
        shown_p99_s=0.9,
    )
    report.write(tmp_path / "reports" / "demo.json")
    assert json.loads((tmp_path / "reports" / "demo.json").read_text()) == {
        "devices": 3,
        "succeeded": 1,
        "failed": 1,
        "stopped": 1,
        "violations": 0,
        "makespan_s": 61.5,
        "callbacks": {"expected": 3, "received": 3, "duplicates": 1, "delay_p50_s": 0.4, "delay_p99_s": 1.5},
        "windows": [{"cell": 1, "class": "level-0", "limit": 50, "peak": 50, "queued_peak": 4, "utilisation": 0.97}],
        "cpu_ms_per_upgrade": {"api": 2.0, "total": 2.0},
        "steps": {"DOWNLOADING": {"p50": 8.1, "p99": 9.0}},
        "shown_p50_s": 0.3,
        "shown_p99_s": 0.9,
    }


def test_figures_of_mqtt_devices_are_a_part_of_their_own(tmp_path: Path) -> None:
    mqtt = {"devices": 1, "succeeded": 1, "failed": 0, "stopped": 0, "limit": 2, "peak": 1, "queued_peak": 0}
    mqtt |= {"old_tokens_refused": 0, "old_tokens_served": 0}
    report = Report(
        devices=2,
        succeeded=2,
        failed=0,
        stopped=0,
        violations=0,
        makespan_s=1.0,
        callbacks=CallbackCounts(expected=2, received=2, duplicates=0),
        windows=[],
        cpu_ms_per_upgrade={},
        steps={},
        mqtt=MqttReport(**mqtt, steps={"UPDATING": StepTimes(p50=1.0, p99=2.0)}),
    )
    report.write(tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())["mqtt"]
    assert written == mqtt | {"steps": {"UPDATING": {"p50": 1.0, "p99": 2.0}}}


def test_an_end_is_shown_when_the_count_of_ends_has_reached_it() -> None:
    assert shown_delays([3.0, 1.0, 2.0], [(1.5, 1), (2.5, 1), (4.0, 2), (6.0, 3)]) == [0.5, 2.0, 3.0]


def test_an_end_that_no_count_has_reached_has_no_delay() -> None:
    assert shown_delays([1.0, 2.0], [(1.5, 1)]) == [0.5]


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.99, 10), (1.0, 10), (0.0, 1)])
def test_percentiles_are_values_that_occurred(share: float, value: int) -> None:
    assert percentile(range(1, 11), share) == value


def test_steps_are_summed_up_each_on_its_own() -> None:
    assert step_times([("A", 1.0), ("B", 5.0), ("A", 3.0), ("A", 2.0)]) == {
        "A": StepTimes(p50=2.0, p99=3.0),
        "B": StepTimes(p50=5.0, p99=5.0),
    }


def test_cpu_time_is_spread_over_the_upgrades_that_succeeded() -> None:
    assert cpu_per_upgrade({"api": 0.1, "relay": 0.05}, succeeded=10) == {"api": 10.0, "relay": 5.0, "total": 15.0}
    assert cpu_per_upgrade({"api": 0.1}, succeeded=0) == {}

"""The closing summary names what people look for."""

import io

import msgspec
from rich.console import Console

from sluice_demo import summary
from sluice_demo.judgement import Judgement
from sluice_demo.report import CallbackCounts, MqttReport, Report, StepTimes, WindowReport

MQTT = MqttReport(
    devices=100,
    succeeded=80,
    failed=19,
    stopped=1,
    limit=30,
    peak=29,
    queued_peak=54,
    old_tokens_refused=2,
    old_tokens_served=0,
    steps={},
)


def shown(
    windows: list[WindowReport], differences: list[str], mqtt: MqttReport | msgspec.UnsetType = msgspec.UNSET
) -> str:
    report = Report(
        devices=300,
        succeeded=270,
        failed=28,
        stopped=2,
        violations=0,
        makespan_s=74.3,
        callbacks=CallbackCounts(expected=300, received=300, duplicates=1),
        windows=windows,
        cpu_ms_per_upgrade={"api": 2.5, "total": 46.6},
        steps={"DOWNLOADING": StepTimes(p50=7.5, p99=23.2)},
        mqtt=mqtt,
    )
    console = Console(file=io.StringIO(), width=200)
    summary.show(Judgement(report, differences, [], {"kafka": 51.3, "total": 51.3}), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def window(utilisation: float | None) -> WindowReport:
    queued = 0 if utilisation is None else 3
    return WindowReport(cell=7, coverage_class="level-2", limit=1, peak=1, queued_peak=queued, utilisation=utilisation)


def test_figures_stand_in_tables_with_what_is_not_ours_apart() -> None:
    text = shown([window(0.95)], [])
    for words in ("300 devices", "300 of 300", "95%", "46.6", "apart: kafka", "DOWNLOADING", "ended as it should"):
        assert words in text


def test_mqtt_devices_are_named_if_there_are_any() -> None:
    assert "100 of them by MQTT" in shown([], [], MQTT)
    assert "29 of 30 downloads of a task at once, 54 queued" in shown([], [], MQTT)
    assert "MQTT" not in shown([], [])


def test_windows_that_idled_are_named() -> None:
    assert "1 of 2 windows with a queue used less than 90% of their slots: cell 7 level-2 62%" in shown(
        [window(0.62), window(0.93), window(None)], []
    )


def test_of_many_differences_the_first_are_shown() -> None:
    text = shown([], [f"device {n} is wrong" for n in range(40)])
    assert "40 differences" in text
    assert "device 29 is wrong" in text
    assert "and 10 more" in text

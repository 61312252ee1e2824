"""Executions and timelines of MQTT devices give their figures and every difference."""

from datetime import UTC, datetime

import pytest

from sluice_demo import mqtt_judgement, scaled
from sluice_demo.executions import Execution, HistoryEntry
from sluice_demo.mqtt_judgement import MqttEvidence
from sluice_simulator.fleet import Role
from sluice_simulator.mqtt.fleet import MqttPlan, MqttSpec
from sluice_simulator.mqtt.kinds import KINDS
from sluice_simulator.timeline import Timeline, What

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
OFFSET = START - 1000.0
"""The campaign starts at 1,000 s of the monotonic clock."""
UPGRADE = (
    (1.0, What.URI_RECEIVED),
    (2.0, What.FIRST_BLOCK),
    (9.0, What.LAST_BLOCK),
    (9.0, What.DOWNLOADED),
    (10.0, What.UPDATED),
)


def spec(name: str, kind: str = "healthy", role: Role = Role.MAIN, expected: str = "SUCCEEDED") -> MqttSpec:
    return MqttSpec(0, name, "1.0.0", "2.0.0", kind=kind, role=role, expected=expected)


def upgraded(name: str, begin: float = 0.0, events: tuple[tuple[float, What], ...] = UPGRADE) -> Timeline:
    timeline = Timeline(name)
    for at, what in events:
        timeline.add(1000.0 + begin + at, what, 1)
    return timeline


def execution(name: str, waited: float) -> Execution:
    steps = (("AWAIT_SLOT", 0.5), ("DOWNLOADING", 0.5 + waited), ("ENDED", 20.0))
    return Execution(
        execution_id=f"t:{name}",
        task_id="t",
        device_id=name,
        endpoint=name,
        status="SUCCEEDED",
        step="ENDED",
        attempt=1,
        history=tuple(
            HistoryEntry(at=datetime.fromtimestamp(START + at, UTC), attempt=1, step=step) for step, at in steps
        ),
    )


def evidence(specs: list[MqttSpec], timelines: list[Timeline], limit: int) -> MqttEvidence:
    return MqttEvidence(MqttPlan(1, tuple(specs)), timelines, limit)


def test_figures_are_measured_at_the_devices() -> None:
    two = evidence([spec("a"), spec("b")], [upgraded("a"), upgraded("b", 8.0)], limit=1)
    report = mqtt_judgement.report(two, [execution("a", 0.4), execution("b", 8.4)], 1030.0, {"a": 1020.0}, OFFSET)
    assert (report.devices, report.succeeded, report.limit, report.peak, report.queued_peak) == (2, 2, 1, 1, 2)
    assert set(report.steps) == {"AWAIT_SLOT", "DOWNLOADING"}
    assert list(mqtt_judgement.violations(two, 1030.0, {})) == []
    assert list(mqtt_judgement.differences(two)) == []


def test_the_picture_shows_the_downloads_of_the_task() -> None:
    two = evidence([spec("a"), spec("b")], [upgraded("a"), upgraded("b", 20.0)], limit=1)
    executions = [execution("a", 0.4), execution("b", 20.4)]
    curve = mqtt_judgement.curve(two, executions, 1050.0, {"a": 1020.0}, OFFSET, start=OFFSET)
    assert (curve.cell, curve.limit) == (None, 1)
    assert [count for _, count in curve.held] == [1, 0, 1, 0]
    assert len(curve.queued) == 1


@pytest.mark.requirement("R102")
def test_more_downloads_than_a_task_may_have_are_a_violation() -> None:
    two = evidence([spec("a"), spec("b")], [upgraded("a"), upgraded("b", 3.0)], limit=1)
    assert list(mqtt_judgement.violations(two, 1030.0, {})) == [
        "MQTT task main: 2 devices downloaded at once, not 1",
    ]


def test_each_task_has_a_window_of_its_own() -> None:
    specs = [spec("a"), spec("b", "stopped", Role.TO_STOP, "STOPPED")]
    two = evidence(specs, [upgraded("a"), upgraded("b", 3.0)], limit=1)
    assert list(mqtt_judgement.violations(two, 1030.0, {})) == []


@pytest.mark.requirement("R099")
def test_an_old_token_that_was_served_is_a_violation() -> None:
    one = evidence([spec("a")], [upgraded("a", events=((0.5, What.OLD_TOKEN_SERVED), *UPGRADE))], limit=1)
    assert list(mqtt_judgement.violations(one, 1030.0, {})) == [
        "a: was served for a token that had ended",
    ]


def test_a_success_that_the_device_knows_nothing_of_is_a_difference() -> None:
    assert list(mqtt_judgement.differences(evidence([spec("a")], [Timeline("a")], 1))) == [
        "a (healthy): updated 0 times, not 1"
    ]


def test_one_that_was_not_stopped_in_mid_download_and_one_that_was_not_refused_are_differences() -> None:
    specs = [
        spec("a", "stopped", Role.TO_STOP, "STOPPED"),
        spec("b", "keeps-old-token"),
        spec("c", "fetches-too-late"),
    ]
    found = list(mqtt_judgement.differences(evidence(specs, [upgraded("a"), upgraded("b"), upgraded("c")], 1)))
    assert found == [
        "a (stopped): was not stopped in mid-download",
        "b (keeps-old-token): its old token was not refused",
        "c (fetches-too-late): its old token was not refused",
    ]


def test_the_scenario_has_mqtt_devices_only_if_asked_to() -> None:
    without, mixed = scaled.scenario(10, 1, seed=1), scaled.scenario(10, 1, seed=1, mqtt_devices=100)
    assert without.mqtt is None
    assert not any("DOWNLOAD" in name or "TASK" in name for name in without.services)
    assert mixed.mqtt is not None
    assert {spec.kind for spec in mixed.mqtt.plan().devices} == {"healthy", *(kind.name for kind in KINDS)}
    assert mixed.services["SLUICE_WINDOW_LIMIT_TASK"] == str(mixed.mqtt.limit) == "30"
    assert "MQTT: 30 downloads at once" in scaled.described(mixed)
    assert "MQTT" not in scaled.described(without)

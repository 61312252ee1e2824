"""Histories, callbacks and timelines together give the report and every difference."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sluice_demo import scaled
from sluice_demo.campaign import Outcome
from sluice_demo.executions import Coverage, Execution, HistoryEntry
from sluice_demo.judgement import Evidence, Judgement, judge
from sluice_simulator.coverage import RadioClass, Window
from sluice_simulator.fleet import DeviceSpec, FleetPlan
from sluice_simulator.plan import make_plan
from sluice_simulator.timeline import Timeline, What

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
OFFSET = START - 1000.0
"""The campaign starts at 1,000 s of the monotonic clock."""
WINDOW: Window = (7, RadioClass.LEVEL_2)

UPGRADE = (
    (0.0, What.COVERAGE_REPORTED, 0),
    (0.2, What.URI_RECEIVED, 1),
    (0.3, What.FIRST_BLOCK, 1),
    (8.0, What.DOWNLOADED, 1),
    (8.1, What.EXECUTED, 1),
    (9.0, What.UPDATED, 1),
    (10.0, What.RESULT_REPORTED, 1),
)


def sound_devices(count: int) -> list[DeviceSpec]:
    options = replace(scaled.scenario(count, 1, seed=1).fleet, uniform=True, failing=0.0)
    return list(make_plan(options).devices)


def upgraded_at(endpoint: str, begin: float) -> Timeline:
    """A device whose upgrade begins so many seconds into the campaign; all have reported coverage at once."""
    timeline = Timeline(endpoint)
    for at, what, attempt in UPGRADE:
        window = WINDOW if what in {What.COVERAGE_REPORTED, What.URI_RECEIVED} else None
        timeline.add(1000.0 + at + (begin if attempt else 0.0), what, attempt, window)
    return timeline


def execution(spec: DeviceSpec, granted: float, status: str = "SUCCEEDED") -> Execution:
    steps = (("AWAIT_SLOT", 0.0), ("OBSERVE", granted), ("DOWNLOADING", granted + 0.2), ("ENDED", granted + 10.1))
    return Execution(
        execution_id=f"t:{spec.endpoint}",
        task_id="t",
        device_id=spec.endpoint,
        endpoint=spec.endpoint,
        status=status,
        step="ENDED",
        attempt=1,
        coverage=Coverage(cell_id=7, coverage_class="level-2"),
        history=tuple(
            HistoryEntry(at=datetime.fromtimestamp(START + at, UTC), attempt=1, step=step) for step, at in steps
        ),
    )


def judged(specs: Sequence[DeviceSpec], executions: Sequence[Execution], timelines: Sequence[Timeline]) -> Judgement:
    progress = {"total": len(specs), "waiting": 0, "running": 0, "succeeded": len(specs), "failed": 0, "stopped": 0}
    return judge(
        Evidence(
            plan=FleetPlan(1, tuple(specs)),
            outcome=Outcome(
                started_at=START,
                ended_at=START + 30.0,
                executions=executions,
                progress=[progress],
                cpu_seconds={"api": 0.02, "kafka": 1.0},
            ),
            results={(e.execution_id, e.status): 1 for e in executions},
            received_at={(e.execution_id, e.status): e.history[-1].at.timestamp() + 0.5 for e in executions},
            timelines=timelines,
            monotonic_offset=OFFSET,
            other_processes=frozenset({"kafka"}),
            fills_windows=True,
        )
    )


def test_two_upgrades_one_after_the_other_are_a_good_campaign() -> None:
    first, second = sound_devices(2)
    judgement = judged(
        [first, second],
        [execution(first, 0.1), execution(second, 10.3)],
        [upgraded_at(first.endpoint, 0.0), upgraded_at(second.endpoint, 10.3)],
    )
    assert judgement.differences == []
    report = judgement.report
    assert (report.devices, report.succeeded, report.violations, report.makespan_s) == (2, 2, 0, 30.0)
    (window,) = report.windows
    assert (window.cell, window.coverage_class, window.limit, window.peak) == (7, "level-2", 1, 1)
    assert window.queued_peak == 1
    assert window.utilisation is not None
    assert 0.95 < window.utilisation < 1.0
    assert (report.callbacks.delay_p50_s, report.callbacks.delay_p99_s) == (0.5, 0.5)
    assert report.cpu_ms_per_upgrade == {"api": 10.0, "total": 10.0}
    assert judgement.cpu_ms_apart == {"kafka": 500.0, "total": 500.0}
    (curve,) = judgement.curves
    assert [count for _, count in curve.held] == [1, 0, 1, 0]
    assert 0.0 < curve.held[0][0] < 1.0


def test_two_devices_that_hold_one_slot_are_a_violation() -> None:
    first, second = sound_devices(2)
    judgement = judged(
        [first, second],
        [execution(first, 0.1), execution(second, 5.0)],
        [upgraded_at(first.endpoint, 0.0), upgraded_at(second.endpoint, 5.0)],
    )
    assert judgement.report.violations == 1
    assert judgement.differences == ["cell 7, level-2: 2 devices held 1 slots"]


def test_a_success_that_the_device_knows_nothing_of_is_a_difference() -> None:
    (spec,) = sound_devices(1)
    judgement = judged([spec], [execution(spec, 0.1)], [Timeline(spec.endpoint)])
    assert judgement.differences == [f"{spec.endpoint} (healthy): updated 0 times, not 1"]


def test_a_device_that_was_told_twice_to_update_is_a_violation() -> None:
    (spec,) = sound_devices(1)
    timeline = upgraded_at(spec.endpoint, 0.0)
    timeline.add(1020.0, What.EXECUTED, 1)
    judgement = judged([spec], [execution(spec, 0.1)], [timeline])
    assert judgement.report.violations == 1
    assert "more than once" in judgement.differences[0]


def test_a_class_with_a_crowded_window_must_be_seen_full() -> None:
    specs = sound_devices(70)
    executions = [execution(spec, 10.3 * n) for n, spec in enumerate(specs)]
    timelines = [upgraded_at(spec.endpoint, 10.3 * n) for n, spec in enumerate(specs)]
    assert judged(specs, executions, timelines).differences == ["no window of level-0 was full while others queued"]

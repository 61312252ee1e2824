"""From what a campaign left behind to its report, its picture and everything that is not as it should be.

Peaks, violations and sleep are measured at the devices, with the simulator's clock (monotonic); grants, releases and
the waits between are the platform's, with its clock (UTC). Both run on one machine, so a constant lies between them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from sluice_demo import comparison, concurrency, mqtt_judgement
from sluice_demo.campaign import Outcome
from sluice_demo.comparison import Expectation
from sluice_demo.concurrency import Interval
from sluice_demo.executions import Execution
from sluice_demo.mqtt_judgement import MqttEvidence
from sluice_demo.picture import WindowCurve
from sluice_demo.report import (
    CallbackCounts,
    MqttReport,
    Report,
    WindowReport,
    cpu_per_upgrade,
    percentile,
    shown_delays,
    step_times,
)
from sluice_simulator import measure
from sluice_simulator.coverage import RadioClass, Window
from sluice_simulator.fleet import DeviceSpec, FleetPlan, Role
from sluice_simulator.mqtt.fleet import MqttSpec
from sluice_simulator.timeline import Timeline, What


@dataclass(frozen=True)
class Evidence:
    """All that is known after a campaign.

    Attributes:
        plan: The devices as they were meant.
        outcome: What the platform says.
        results: Callbacks by (execution_id, status).
        received_at: When each came first, seconds since 1970.
        timelines: What happened at the devices.
        monotonic_offset: Seconds to add to monotonic times to get seconds since 1970.
        other_processes: Names in `Outcome.cpu_seconds` that are not Sluice's.
        fills_windows: Whether every class of which a window is crowded must have had a full one.
        mqtt: The MQTT devices, which are not in `plan`; None without any.
    """

    plan: FleetPlan
    outcome: Outcome
    results: Mapping[tuple[str, str], int]
    timelines: Sequence[Timeline]
    monotonic_offset: float
    other_processes: frozenset[str]
    fills_windows: bool
    mqtt: MqttEvidence | None = None
    received_at: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def devices(self) -> int:
        """All devices; each has one execution."""
        return len(self.plan.devices) + (len(self.mqtt.plan.devices) if self.mqtt else 0)

    @property
    def mqtt_executions(self) -> list[Execution]:
        """Executions of MQTT devices."""
        theirs = {spec.endpoint for spec in self.mqtt.plan.devices} if self.mqtt else set()
        return [execution for execution in self.outcome.executions if execution.endpoint in theirs]

    @property
    def lwm2m_executions(self) -> list[Execution]:
        """All others, those of nobody's device among them."""
        theirs = {spec.endpoint for spec in self.mqtt.plan.devices} if self.mqtt else set()
        return [execution for execution in self.outcome.executions if execution.endpoint not in theirs]

    @property
    def now(self) -> float:
        """When the campaign ended, by the devices' clock."""
        return self.outcome.ended_at - self.monotonic_offset


@dataclass(frozen=True)
class Judgement:
    """What comes of it.

    Attributes:
        report: The figures.
        differences: What is not as it should be, in words; empty after a good campaign.
        curves: The panels of the picture.
        cpu_ms_apart: User and system time of processes that are not Sluice's, ms per succeeded execution.
    """

    report: Report
    differences: Sequence[str]
    curves: Sequence[WindowCurve]
    cpu_ms_apart: Mapping[str, float]


def judge(evidence: Evidence) -> Judgement:
    """Return the judgement on a campaign."""
    ends = _ends(evidence)
    windows = measure.windows(evidence.timelines, evidence.now, ended=ends, over=True)
    slots = _slots(evidence, ends)
    reports = [_window_report(window, slots[window.cell, window.radio_class]) for window in windows]
    violations = list(_violations(windows, evidence.timelines))
    if evidence.mqtt is not None:
        violations += mqtt_judgement.violations(evidence.mqtt, evidence.now, ends)
    differences = [*violations, *_differences(evidence, reports)]
    report = _report(evidence, reports, len(violations), ends)
    return Judgement(
        report=report,
        differences=differences,
        curves=[
            _curve(window, report, slots[window.cell, window.radio_class], evidence)
            for window, report in zip(windows, reports, strict=True)
        ]
        + _mqtt_curves(evidence, ends),
        cpu_ms_apart=_cpu(evidence, report.succeeded, lambda name: name in evidence.other_processes),
    )


def _ends(evidence: Evidence) -> dict[str, float]:
    """Return when the execution of each endpoint ended, by the devices' clock."""
    return {
        execution.endpoint: execution.history[-1].at.timestamp() - evidence.monotonic_offset
        for execution in evidence.outcome.executions
        if execution.is_final and execution.history
    }


@dataclass
class _Slots:
    """When slots of a window were held, and when awake devices waited for one: intervals, seconds since 1970."""

    held: list[Interval] = field(default_factory=list)
    waiting: list[Interval] = field(default_factory=list)


def _slots(evidence: Evidence, ends: Mapping[str, float]) -> dict[Window, _Slots]:
    """Return the slots of each window: grants and releases by the histories, awake times by the devices."""
    offset = evidence.monotonic_offset
    awake = {
        timeline.endpoint: [
            (wait.start + offset, wait.end + offset)
            for wait in measure.waits(timeline, evidence.now, ends.get(timeline.endpoint))
        ]
        for timeline in evidence.timelines
    }
    slots: defaultdict[Window, _Slots] = defaultdict(_Slots)
    for execution in evidence.lwm2m_executions:
        if execution.coverage is not None:
            window = slots[execution.coverage.cell_id, RadioClass(execution.coverage.coverage_class)]
            window.held.extend(concurrency.holds(execution))
            awake_times = awake.get(execution.endpoint, [])
            window.waiting.extend(concurrency.overlaps(concurrency.waits(execution), awake_times))
    return slots


def _window_report(window: measure.WindowReport, slots: _Slots) -> WindowReport:
    queued = concurrency.queued_peak(slots.held, slots.waiting, window.limit)
    return WindowReport(
        cell=window.cell,
        coverage_class=window.radio_class.value,
        limit=window.limit,
        peak=window.peak,
        queued_peak=queued,
        utilisation=concurrency.utilisation(slots.held, slots.waiting, window.limit) if queued else None,
    )


def _violations(windows: Iterable[measure.WindowReport], timelines: Sequence[Timeline]) -> Iterator[str]:
    for window in windows:
        for _ in range(window.violations):
            yield f"cell {window.cell}, {window.radio_class}: {window.peak} devices held {window.limit} slots"
    for endpoint, attempt in measure.double_executes(timelines):
        yield f"{endpoint}: told to update more than once in attempt {attempt}"
    for endpoint, attempt in measure.holds_without_coverage(timelines):
        yield f"{endpoint}: got a package in attempt {attempt} without having been asked for its cell"


def _differences(evidence: Evidence, reports: Sequence[WindowReport]) -> Iterator[str]:
    outcome = evidence.outcome
    specs: list[DeviceSpec | MqttSpec] = [
        *evidence.plan.devices,
        *(evidence.mqtt.plan.devices if evidence.mqtt else ()),
    ]
    expected = {spec.endpoint: Expectation(spec.kind, spec.expected, spec.expected_reasons) for spec in specs}
    yield from comparison.execution_differences(expected, outcome.executions)
    yield from comparison.callback_differences(outcome.executions, evidence.results)
    for progress in outcome.progress:
        yield from comparison.progress_differences(progress)
    yield from _device_differences(evidence)
    if evidence.mqtt is not None:
        yield from mqtt_judgement.differences(evidence.mqtt)
    if evidence.fills_windows:
        yield from comparison.saturation_differences(reports, sorted(evidence.plan.crowded_classes()))


def _device_differences(evidence: Evidence) -> Iterator[str]:
    """Yield what devices saw that does not fit how their executions should end."""
    happened = {t.endpoint: Counter(event.what for event in t.events) for t in evidence.timelines}
    for spec in evidence.plan.devices:
        seen = happened.get(spec.endpoint, Counter())
        upgrades = int(spec.expected == "SUCCEEDED" and spec.version != spec.target_version)
        if spec.expected == "SUCCEEDED" and seen[What.UPDATED] != upgrades:
            yield f"{spec.endpoint} ({spec.kind}): updated {seen[What.UPDATED]} times, not {upgrades}"
        if spec.role is Role.TO_STOP and (not seen[What.FIRST_BLOCK] or seen[What.DOWNLOADED]):
            yield f"{spec.endpoint} ({spec.kind}): was not stopped in mid-download"


def _report(evidence: Evidence, windows: Sequence[WindowReport], violations: int, ends: Mapping[str, float]) -> Report:
    outcome = evidence.outcome
    statuses = Counter(execution.status for execution in outcome.executions)
    delays = sorted(_callback_delays(evidence))
    shown = shown_delays(
        (e.history[-1].at.timestamp() for e in outcome.executions if e.is_final and e.history), outcome.shown
    )
    return Report(
        devices=evidence.devices,
        succeeded=statuses["SUCCEEDED"],
        failed=statuses["FAILED"],
        stopped=statuses["STOPPED"],
        violations=violations,
        makespan_s=round(outcome.makespan, 1),
        callbacks=CallbackCounts(
            expected=evidence.devices,
            received=len(evidence.results),
            duplicates=sum(evidence.results.values()) - len(evidence.results),
            delay_p50_s=_percentile(delays, 0.5),
            delay_p99_s=_percentile(delays, 0.99),
        ),
        shown_p50_s=_percentile(shown, 0.5),
        shown_p99_s=_percentile(shown, 0.99),
        windows=windows,
        cpu_ms_per_upgrade=_cpu(evidence, statuses["SUCCEEDED"], lambda name: name not in evidence.other_processes),
        steps=step_times(_step_durations(evidence.lwm2m_executions)),
        mqtt=_mqtt_report(evidence, ends),
    )


def _callback_delays(evidence: Evidence) -> Iterator[float]:
    """Yield the seconds from the end of each execution to its first callback."""
    for execution in evidence.outcome.executions:
        received = evidence.received_at.get((execution.execution_id, execution.status))
        if received is not None and execution.history:
            yield received - execution.history[-1].at.timestamp()


def _percentile(sorted_values: Sequence[float], share: float) -> float | None:
    return round(percentile(sorted_values, share), 3) if sorted_values else None


def _mqtt_report(evidence: Evidence, ends: Mapping[str, float]) -> MqttReport | msgspec.UnsetType:
    if evidence.mqtt is None:
        return msgspec.UNSET
    executions = evidence.mqtt_executions
    return mqtt_judgement.report(evidence.mqtt, executions, evidence.now, ends, evidence.monotonic_offset)


def _mqtt_curves(evidence: Evidence, ends: Mapping[str, float]) -> list[WindowCurve]:
    if evidence.mqtt is None:
        return []
    return [
        mqtt_judgement.curve(
            evidence.mqtt,
            evidence.mqtt_executions,
            evidence.now,
            ends,
            evidence.monotonic_offset,
            start=evidence.outcome.started_at,
        )
    ]


def _cpu(evidence: Evidence, succeeded: int, wanted: Callable[[str], bool]) -> dict[str, float]:
    spent = {name: seconds for name, seconds in evidence.outcome.cpu_seconds.items() if wanted(name)}
    return cpu_per_upgrade(spent, succeeded)


def _step_durations(executions: Iterable[Execution]) -> Iterator[tuple[str, float]]:
    for execution in executions:
        yield from execution.step_durations()


def _curve(window: measure.WindowReport, report: WindowReport, slots: _Slots, evidence: Evidence) -> WindowCurve:
    start = evidence.outcome.started_at
    to_campaign = evidence.monotonic_offset - start
    queued = concurrency.merged(slots.waiting) if report.queued_peak else []
    return WindowCurve(
        cell=window.cell,
        coverage_class=report.coverage_class,
        limit=window.limit,
        held=[(at + to_campaign, count) for at, count in window.series],
        queued=[(begin - start, end - start) for begin, end in queued],
        note=_note(report),
    )


def _note(report: WindowReport) -> str:
    if report.utilisation is None:
        return f"peak {report.peak}"
    return f"peak {report.peak} · queued {report.queued_peak} · {report.utilisation:.0%} used"

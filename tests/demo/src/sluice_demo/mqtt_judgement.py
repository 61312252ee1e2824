"""What the MQTT devices of a campaign say about the platform, beside what its API says of them.

A task's window is measured at the devices: from the receipt of the offer to the last byte (`sluice_simulator.mqtt`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluice_demo import concurrency
from sluice_demo.executions import Execution
from sluice_demo.picture import WindowCurve
from sluice_demo.report import MqttReport, step_times
from sluice_simulator import measure
from sluice_simulator.fleet import Role
from sluice_simulator.mqtt import measure as mqtt_measure
from sluice_simulator.mqtt.fleet import MqttPlan, MqttSpec
from sluice_simulator.timeline import Timeline, What

_TRY_ENDED_TOKENS = frozenset({"keeps-old-token", "fetches-too-late"})
"""Kinds of devices that must have been refused."""


@dataclass(frozen=True)
class MqttEvidence:
    """What is known of the MQTT devices after a campaign.

    Attributes:
        plan: The devices as they were meant.
        timelines: What happened at the devices.
        limit: Devices of one task that may download at once.
    """

    plan: MqttPlan
    timelines: Sequence[Timeline]
    limit: int


def slots(
    evidence: MqttEvidence, executions: Sequence[Execution], now: float, ends: Mapping[str, float], offset: float
) -> tuple[list[concurrency.Interval], list[concurrency.Interval]]:
    """Return when the main task's devices downloaded and when they waited, seconds since 1970; as `report`."""
    main = {spec.endpoint for spec in evidence.plan.devices if spec.role is Role.MAIN}
    held = [
        (one.start + offset, one.end + offset)
        for timeline in evidence.timelines
        if timeline.endpoint in main
        for one in mqtt_measure.downloads(timeline, now, over=timeline.endpoint in ends)
        if one.end > one.start
    ]
    waiting = [wait for one in executions if one.endpoint in main for wait in concurrency.waits(one)]
    return held, waiting


def curve(
    evidence: MqttEvidence,
    executions: Sequence[Execution],
    now: float,
    ends: Mapping[str, float],
    offset: float,
    *,
    start: float,
) -> WindowCurve:
    """Return the main task's downloads over time for the picture.

    Args:
        evidence: As `report` takes it, like all that follows.
        executions: The same.
        now: The same.
        ends: The same.
        offset: The same.
        start: When the campaign began, seconds since 1970.
    """
    held, waiting = slots(evidence, executions, now, ends, offset)
    series = concurrency.levels(held)
    peak = max((count for _, count in series), default=0)
    return WindowCurve(
        cell=None,
        coverage_class="",
        limit=evidence.limit,
        held=[(at - start, count) for at, count in series],
        queued=[(begin - start, end - start) for begin, end in concurrency.merged(waiting)],
        note=f"downloads of the task, limit {evidence.limit} · peak {peak}",
    )


def report(
    evidence: MqttEvidence, executions: Sequence[Execution], now: float, ends: Mapping[str, float], offset: float
) -> MqttReport:
    """Return the figures.

    Args:
        evidence: Of the devices.
        executions: Of the MQTT devices.
        now: When the campaign ended, monotonic seconds.
        ends: When each device's execution ended, by the same clock.
        offset: Seconds to add to monotonic times to get seconds since 1970.
    """
    held, waiting = slots(evidence, executions, now, ends, offset)
    statuses = Counter(execution.status for execution in executions)
    happened = Counter(event.what for timeline in evidence.timelines for event in timeline.events)
    return MqttReport(
        devices=len(evidence.plan.devices),
        succeeded=statuses["SUCCEEDED"],
        failed=statuses["FAILED"],
        stopped=statuses["STOPPED"],
        limit=evidence.limit,
        peak=max((count for _, count in concurrency.levels(held)), default=0),
        queued_peak=max((count for _, count in concurrency.levels(waiting)), default=0),
        old_tokens_refused=happened[What.OLD_TOKEN_REFUSED],
        old_tokens_served=happened[What.OLD_TOKEN_SERVED],
        steps=step_times(step for execution in executions for step in execution.step_durations()),
    )


def violations(evidence: MqttEvidence, now: float, ends: Mapping[str, float]) -> Iterator[str]:
    """Yield each moment at which a task's window was over its limit, and each use of a token that had ended."""
    tasks: dict[Role, list[measure.Interval]] = {}
    roles = {spec.endpoint: spec.role for spec in evidence.plan.devices}
    for timeline in evidence.timelines:
        intervals = mqtt_measure.downloads(timeline, now, over=timeline.endpoint in ends)
        tasks.setdefault(roles[timeline.endpoint], []).extend(intervals)
    for role, intervals in tasks.items():
        series = measure.concurrency(intervals)
        for _ in range(measure.violations(series, evidence.limit)):
            yield f"MQTT task {role}: {measure.peak(series)} devices downloaded at once, not {evidence.limit}"
    for endpoint in mqtt_measure.old_tokens_served(evidence.timelines):
        yield f"{endpoint}: was served for a token that had ended"


def differences(evidence: MqttEvidence) -> Iterator[str]:
    """Yield what devices saw that does not fit how their executions should end."""
    happened = {t.endpoint: Counter(event.what for event in t.events) for t in evidence.timelines}
    for spec in evidence.plan.devices:
        yield from _device(spec, happened.get(spec.endpoint, Counter()))


def _device(spec: MqttSpec, seen: Counter[What]) -> Iterator[str]:
    upgrades = int(spec.expected == "SUCCEEDED" and spec.version != spec.target_version)
    if spec.expected == "SUCCEEDED" and seen[What.UPDATED] != upgrades:
        yield f"{spec.endpoint} ({spec.kind}): updated {seen[What.UPDATED]} times, not {upgrades}"
    if spec.role is Role.TO_STOP and (not seen[What.FIRST_BLOCK] or seen[What.DOWNLOADED]):
        yield f"{spec.endpoint} ({spec.kind}): was not stopped in mid-download"
    if spec.kind in _TRY_ENDED_TOKENS and not seen[What.OLD_TOKEN_REFUSED]:
        yield f"{spec.endpoint} ({spec.kind}): its old token was not refused"

"""The report of a campaign: the figures as JSON, for people's eyes and for machines.

It leaves out how the figures were found: peaks and violations come from the devices (`sluice_simulator`),
queues, utilisation and steps from the executions' histories (`sluice_demo.concurrency`), times from the processes.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec


class CallbackCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Result callbacks, counted as distinct (execution, status).

    Attributes:
        expected: One per execution.
        received: Distinct ones that came.
        duplicates: Deliveries beyond the first of each; at-least-once delivery allows them.
        delay_p50_s: Seconds from the end of an execution to its first callback; None without any.
        delay_p99_s: The same.
    """

    expected: int
    received: int
    duplicates: int
    delay_p50_s: float | None = None
    delay_p99_s: float | None = None


class WindowReport(msgspec.Struct, frozen=True, kw_only=True):
    """One cell window.

    Attributes:
        cell: Cell id.
        coverage_class: Coverage class (`class` in the JSON).
        limit: Slots.
        peak: Most devices that held at once, measured at the devices.
        queued_peak: Most awake devices that waited at once while all slots were granted.
        utilisation: Slot time from grants to releases, of all slot time while an awake device waited; None
            where none queued.
    """

    cell: int
    coverage_class: str = msgspec.field(name="class")
    limit: int
    peak: int
    queued_peak: int
    utilisation: float | None


class StepTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that executions spent in a step, each time they entered it."""

    p50: float
    p99: float


class MqttReport(msgspec.Struct, frozen=True, kw_only=True):
    """The MQTT devices of a campaign, which are among its devices.

    Attributes:
        devices: How many.
        succeeded: Executions that ended SUCCEEDED.
        failed: Executions that ended FAILED.
        stopped: Executions that ended STOPPED.
        limit: Devices of a task that may download at once.
        peak: Most that did, measured at the devices.
        queued_peak: Most that waited at once for one of these places.
        old_tokens_refused: Requests with a token that had ended, by time or with its attempt, refused.
        old_tokens_served: The same, served.
        steps: Seconds by step.
    """

    devices: int
    succeeded: int
    failed: int
    stopped: int
    limit: int
    peak: int
    queued_peak: int
    old_tokens_refused: int
    old_tokens_served: int
    steps: dict[str, StepTimes]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign came to.

    Attributes:
        devices: Devices of the campaign; each has one execution.
        succeeded: Executions that ended SUCCEEDED.
        failed: Executions that ended FAILED.
        stopped: Executions that ended STOPPED.
        violations: Moments at which the devices saw a rule broken.
        makespan_s: Seconds from the first task's creation to the last callback.
        callbacks: Result callbacks.
        shown_p50_s: Seconds from the end of an execution until the progress of the tasks counted it; None without any.
        shown_p99_s: The same.
        windows: Every window that a device was in.
        cpu_ms_per_upgrade: User and system time by service and in `total`, ms per succeeded execution, from task
            creation to the last callback; Sluice's own processes only.
        steps: Seconds by step, of LwM2M devices.
        mqtt: The MQTT devices; absent without any.
    """

    devices: int
    succeeded: int
    failed: int
    stopped: int
    violations: int
    makespan_s: float
    callbacks: CallbackCounts
    windows: Sequence[WindowReport]
    cpu_ms_per_upgrade: dict[str, float]
    steps: dict[str, StepTimes]
    shown_p50_s: float | None = None
    shown_p99_s: float | None = None
    mqtt: MqttReport | msgspec.UnsetType = msgspec.UNSET

    def write(self, path: Path) -> None:
        """Write the report as indented JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values in ascending order (at least one)."""
    rank = max(1, math.ceil(share * len(sorted_values)))
    return sorted_values[rank - 1]


def shown_delays(ends: Iterable[float], shown: Iterable[tuple[float, int]]) -> list[float]:
    """Return the seconds from each end until a count of ends contained it, in ascending order.

    Args:
        ends: When something ended, in any order.
        shown: When it was counted how much had ended, and the count; in order of time.
    """
    waiting = deque(sorted(ends))
    delays: list[float] = []
    for read_at, count in shown:
        while waiting and len(delays) < count:
            delays.append(max(0.0, read_at - waiting.popleft()))
    return sorted(delays)


def step_times(durations: Iterable[tuple[str, float]]) -> dict[str, StepTimes]:
    """Return the percentiles of (step, seconds) by step, in order of first appearance."""
    by_step: dict[str, list[float]] = {}
    for step, seconds in durations:
        by_step.setdefault(step, []).append(seconds)
    return {
        step: StepTimes(p50=round(percentile(values, 0.5), 3), p99=round(percentile(values, 0.99), 3))
        for step, values in ((step, sorted(values)) for step, values in by_step.items())
    }


def cpu_per_upgrade(seconds: dict[str, float], succeeded: int) -> dict[str, float]:
    """Return ms per succeeded execution by service and in `total`; empty if none succeeded."""
    if not succeeded:
        return {}
    each = {service: 1000 * spent / succeeded for service, spent in seconds.items()}
    return {service: round(ms, 2) for service, ms in {**each, "total": sum(each.values())}.items()}

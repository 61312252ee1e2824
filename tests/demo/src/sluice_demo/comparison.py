"""What each device and callback should have come to, against what they came to. Pure: texts out, nothing raised."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluice_demo.executions import Execution
from sluice_demo.report import WindowReport

LEAST_UTILISATION = 0.9
"""Share of a window's slot time that should be held while awake devices queue; a figure, no failure."""


@dataclass(frozen=True)
class Expectation:
    """How one device's execution should end.

    Attributes:
        kind: Name of the device's behaviour, for people.
        status: Final state.
        reasons: Reason codes that are right for it; empty for none.
    """

    kind: str
    status: str
    reasons: Collection[str] = ()

    def difference(self, execution: Execution) -> str | None:
        """Return in words how an execution ended differently; None if it did not."""
        reason = execution.reason.code if execution.reason else None
        ended = f"ended {execution.status} ({reason or 'no reason'})"
        if execution.status != self.status:
            return f"{ended}, not {self.status}"
        if self.reasons and reason not in self.reasons:
            return f"{ended}, not for {' or '.join(self.reasons)}"
        return None


def execution_differences(expected: Mapping[str, Expectation], executions: Sequence[Execution]) -> Iterator[str]:
    """Yield every device that has no execution, more than one, or one that ended differently."""
    by_endpoint: dict[str, list[Execution]] = {}
    for execution in executions:
        by_endpoint.setdefault(execution.endpoint, []).append(execution)
    for endpoint, expectation in expected.items():
        found = by_endpoint.pop(endpoint, [])
        if len(found) != 1:
            yield f"{endpoint} ({expectation.kind}): {len(found)} executions, not 1"
        elif difference := expectation.difference(found[0]):
            yield f"{endpoint} ({expectation.kind}): {difference}"
    for endpoint in by_endpoint:
        yield f"{endpoint}: has an execution that nobody asked for"


def callback_differences(executions: Iterable[Execution], results: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield every result that was not called back, or that was called back and is none."""
    expected = {(execution.execution_id, execution.status) for execution in executions}
    received = set(results)
    for execution_id, status in sorted(expected - received):
        yield f"{execution_id}: no callback of {status}"
    for execution_id, status in sorted(received - expected):
        yield f"{execution_id}: a callback of {status}, which is not its result"


def progress_differences(progress: Mapping[str, int]) -> Iterator[str]:
    """Yield what does not add up in a finished task's progress."""
    total = progress["total"]
    counted = sum(count for state, count in progress.items() if state != "total")
    if counted != total:
        yield f"the task's counts add up to {counted}, not to its total of {total}"
    for state in ("waiting", "running"):
        if progress[state]:
            yield f"the task has ended with {progress[state]} executions {state}"


def saturation_differences(windows: Iterable[WindowReport], classes: Iterable[str]) -> Iterator[str]:
    """Yield every class without a window that was full while others queued for it."""
    saturated = {w.coverage_class for w in windows if w.peak == w.limit and w.queued_peak}
    for coverage_class in classes:
        if coverage_class not in saturated:
            yield f"no window of {coverage_class} was full while others queued"


def idle_windows(windows: Iterable[WindowReport]) -> list[WindowReport]:
    """Return the windows whose slots were used less than they should have been while devices queued."""
    return [w for w in windows if w.utilisation is not None and w.utilisation < LEAST_UTILISATION]

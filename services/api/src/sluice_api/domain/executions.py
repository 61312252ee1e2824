"""Rules of executions as users see them. Pure.

WAITING lasts for a time that the task's policy says (R117) and ends for all devices of a task at once. So nothing is
written when it ends: an execution of which the scheduler has reported nothing else is shown by the clock.
"""

from datetime import datetime

from msgspec.structs import replace

from sluice_api.domain.models import Execution, Progress
from sluice_common.messages.execution_events import ExecutionStatus, HistoryEntry, Step

_IN_ORDER = tuple(ExecutionStatus)
"""As executions go through them: who reads them in this order misses none that moves on meanwhile."""


def shown_at(execution: Execution, now: datetime) -> Execution:
    """Return an execution as it is at a time."""
    if execution.version >= 0 or execution.status is not ExecutionStatus.WAITING:
        return execution
    waits = HistoryEntry(at=execution.created_at, attempt=1, step=Step.WAITING)
    if execution.runs_at is None or now < execution.runs_at:
        return replace(execution, attempt=1, history=(waits,))
    return replace(
        execution,
        status=ExecutionStatus.RUNNING,
        step=Step.AWAIT_ONLINE,
        attempt=1,
        started_at=execution.runs_at,
        history=(waits, HistoryEntry(at=execution.runs_at, attempt=1, step=Step.AWAIT_ONLINE)),
    )


def stored_statuses(wanted: ExecutionStatus | None, *, clock_has_run: bool = True) -> tuple[ExecutionStatus, ...]:
    """Return the statuses under which executions may be stored that are shown with one; None is any.

    Args:
        wanted: How they are shown.
        clock_has_run: Whether the time to wait may be over.
    """
    if wanted is None:
        return _IN_ORDER
    if wanted is ExecutionStatus.RUNNING and clock_has_run:
        return ExecutionStatus.WAITING, ExecutionStatus.RUNNING
    return (wanted,)


def progress_at(progress: Progress, runs_at: datetime, now: datetime) -> Progress:
    """Return the progress of a task whose executions cease to wait at a time, as it is now."""
    if now < runs_at:
        return progress
    return replace(progress, waiting=0, running=progress.running + progress.waiting)

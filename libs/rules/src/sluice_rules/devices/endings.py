"""How executions end: the final snapshot, and the tombstone by which a late duplicate is known for one."""

from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, HistoryEntry, Reason, Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.execution import After, Execution, Verdict
from sluice_rules.devices.inventory import note_end
from sluice_rules.devices.transition import Transition


def end(transition: Transition) -> None:
    """The execution ends as its verdict says and becomes a tombstone."""
    execution = transition.execution
    _close(transition, execution)
    transition.device.execution = None


def refuse(transition: Transition, execution: Execution, code: ReasonCode) -> None:
    """End an execution that never became active."""
    execution.verdict = Verdict(After.END, ExecutionStatus.FAILED, Reason(code=code))
    _close(transition, execution)


def _close(transition: Transition, execution: Execution) -> None:
    """Give an execution its final snapshot and its tombstone."""
    verdict = execution.verdict
    if verdict is None:
        raise LookupError("no verdict")
    execution.step, execution.status, execution.next_attempt_at = Step.ENDED, verdict.status, None
    entry = HistoryEntry(
        at=transition.event.occurred_at, attempt=execution.attempt.number, step=Step.ENDED, reason=verdict.reason
    )
    execution.history = (*execution.history, entry)
    transition.publish(execution)
    note_end(transition, execution)
    _add_tombstone(transition, execution.execution_id)


def stopped(request: ExecutionStopRequested) -> Verdict:
    """Return the verdict of a stop: one by the platform has a reason and is a failure, one by a user is neither."""
    if request.reason is None:
        return Verdict(After.END, ExecutionStatus.STOPPED, Reason(code=ReasonCode.STOPPED))
    return Verdict(After.END, ExecutionStatus.FAILED, Reason(code=request.reason))


def stop_unknown(transition: Transition, request: ExecutionStopRequested) -> None:
    """Record the stop of an execution that was never requested, so that a late request is ignored."""
    at, verdict = request.occurred_at, stopped(request)
    transition.effects.append(
        ExecutionChanged(
            **transition.head(request.app_id),
            execution_id=request.execution_id,
            task_id=request.task_id,
            version=1,
            status=verdict.status,
            step=Step.ENDED,
            attempt=0,
            max_retries=0,
            target_version="",
            reason=verdict.reason,
            created_at=at,
            ended_at=at,
            history=(HistoryEntry(at=at, attempt=0, step=Step.ENDED, reason=verdict.reason),),
        )
    )
    _add_tombstone(transition, request.execution_id)


def _add_tombstone(transition: Transition, execution_id: str) -> None:
    """Keep the id of what has ended; drop the tombstones that no late duplicate can need any more."""
    oldest = transition.now - transition.rules.ended_kept
    transition.device.ended = {key: at for key, at in transition.device.ended.items() if at > oldest} | {
        execution_id: transition.now
    }

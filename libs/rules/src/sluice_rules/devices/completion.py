"""How attempts and executions end, and in which order their traces are removed.

An attempt that ends gives back what it has: first the device is fenced if a Package URI may be with it (step
`CLOSING`), then the slot is returned, then another attempt waits or the observation is cancelled and the execution
ends. The verdict of a device that was told to update is its last word: the image is served no more then, but the slot
does not wait for that. Leaves out which reasons are retried (`retries`).
"""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.messages.execution_events import (
    ExecutionChanged,
    ExecutionStatus,
    HistoryEntry,
    Reason,
    Step,
)
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.device import After, Execution, Verdict
from sluice_rules.devices.retries import RETRIED
from sluice_rules.devices.transition import Turn


def succeed(turn: Turn, note: Reason | None = None) -> None:
    """The device runs the target version."""
    turn.execution.verdict = Verdict(After.END, ExecutionStatus.SUCCEEDED, note)
    give_back(turn)


def fail(turn: Turn, code: ReasonCode, /, *, settled: bool = False, **params: str) -> None:
    """The attempt failed; another one follows if the reason and the policy allow it.

    Args:
        turn: The turn.
        code: Why.
        settled: The device gave the verdict itself after it had been told to update: it fetches nothing any more, so
            its slot need not wait for the fence. Before that, the verdict may be left over from an older update.
        params: Of the reason.
    """
    reason = Reason(code=code, params=params)
    execution = turn.execution
    again = execution.policy.retry_interval + turn.now
    if RETRIED[code] and execution.attempt.number <= execution.policy.max_retries and again < execution.end_at:
        execution.next_attempt_at = utc(again)
        execution.verdict = Verdict(After.RETRY, ExecutionStatus.FAILED, reason)
    else:
        execution.verdict = Verdict(After.END, ExecutionStatus.FAILED, reason)
    if settled:
        give_back(turn)
    else:
        fence(turn)


def stop(turn: Turn, request: ExecutionStopRequested) -> None:
    """The user or the platform stops the execution (R119); comes too late for one whose result is known."""
    execution = turn.execution
    if execution.step is Step.CANCEL_OBSERVE:
        return
    execution.verdict = Verdict(After.END, *_end_of(request))
    if execution.step is not Step.CLOSING:
        fence(turn)


def surrender(turn: Turn) -> None:
    """The device did not answer: return the slot, keep the place in the queue, ask again when it speaks."""
    execution = turn.execution
    execution.attempt.surrenders += 1
    if execution.attempt.surrenders > turn.rules.surrenders:
        fail(turn, ReasonCode.DEVICE_OFFLINE)
        return
    execution.verdict = Verdict(After.ASK_AGAIN, execution.status)
    fence(turn)


def fence(turn: Turn) -> None:
    """Make sure that the device gets no more of the image, then go on.

    MQTT devices have no radio to protect: their slot does not wait for the fence (ADR 0012).
    """
    if turn.execution.attempt.exposed and not turn.execution.is_mqtt:
        turn.enter(Step.CLOSING)
    else:
        give_back(turn)


def give_back(turn: Turn) -> None:
    """The device is fenced or done: return the slot, and do what the verdict says."""
    execution = turn.execution
    after = execution.verdict.after if execution.verdict else After.END
    if execution.attempt.exposed:
        _close_download(turn)
    execution.attempt.exposed = False
    turn.release_slot(keep_place=after is After.ASK_AGAIN)
    if after is After.ASK_AGAIN:
        execution.verdict = None
        turn.enter(Step.AWAIT_SLOT)
    elif after is After.RETRY:
        turn.enter(Step.RETRY_WAIT)
    elif execution.observed:
        turn.enter(Step.CANCEL_OBSERVE)
    else:
        end(turn)


def _close_download(turn: Turn) -> None:
    """Have the image served no more, without waiting for that: the device has said that it is done."""
    if turn.execution.is_mqtt:
        mqtt_commands.close_download(turn)
    else:
        turn.close_download(awaited=False)


def end(turn: Turn) -> None:
    """The execution ends as its verdict says and becomes a tombstone."""
    execution = turn.execution
    close(turn, execution)
    turn.device.execution = None


def refuse(turn: Turn, execution: Execution, code: ReasonCode) -> None:
    """End an execution that never became active."""
    execution.verdict = Verdict(After.END, ExecutionStatus.FAILED, Reason(code=code))
    close(turn, execution)


def close(turn: Turn, execution: Execution) -> None:
    """Give an execution its final snapshot and its tombstone."""
    verdict = execution.verdict
    if verdict is None:
        raise LookupError("no verdict")
    execution.step, execution.status, execution.next_attempt_at = Step.ENDED, verdict.status, None
    entry = HistoryEntry(
        at=turn.event.occurred_at, attempt=execution.attempt.number, step=Step.ENDED, reason=verdict.reason
    )
    execution.history = (*execution.history, entry)
    turn.publish(execution)
    _bury(turn, execution.execution_id)


def stop_unknown(turn: Turn, request: ExecutionStopRequested) -> None:
    """Record the stop of an execution that was never requested, so that a late request is ignored."""
    at = request.occurred_at
    status, reason = _end_of(request)
    turn.effects.append(
        ExecutionChanged(
            **turn.head(request.app_id),
            execution_id=request.execution_id,
            task_id=request.task_id,
            version=1,
            status=status,
            step=Step.ENDED,
            attempt=0,
            max_retries=0,
            target_version="",
            reason=reason,
            created_at=at,
            ended_at=at,
            history=(HistoryEntry(at=at, attempt=0, step=Step.ENDED, reason=reason),),
        )
    )
    _bury(turn, request.execution_id)


def _end_of(request: ExecutionStopRequested) -> tuple[ExecutionStatus, Reason]:
    if request.reason is None:
        return ExecutionStatus.STOPPED, Reason(code=ReasonCode.STOPPED)
    return ExecutionStatus.FAILED, Reason(code=request.reason)


def _bury(turn: Turn, execution_id: str) -> None:
    """Keep the id of what has ended; drop the tombstones that no late duplicate can need any more."""
    oldest = turn.now - turn.rules.ended_kept
    turn.device.ended = {key: at for key, at in turn.device.ended.items() if at > oldest} | {execution_id: turn.now}

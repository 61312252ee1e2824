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
from sluice_rules.devices.execution import After, Execution, Verdict
from sluice_rules.devices.retries import RETRIED
from sluice_rules.devices.transition import Transition


def succeed(transition: Transition, note: Reason | None = None) -> None:
    """The device runs the target version."""
    transition.execution.verdict = Verdict(After.END, ExecutionStatus.SUCCEEDED, note)
    release(transition)


def fail(transition: Transition, code: ReasonCode, /, *, settled: bool = False, **params: str) -> None:
    """The attempt failed; another one follows if the reason and the policy allow it.

    Args:
        transition: The transition.
        code: Why.
        settled: The device gave the verdict itself after it had been told to update: it fetches nothing any more, so
            its slot need not wait for the fence. Before that, the verdict may be left over from an older update.
        params: Of the reason.
    """
    reason = Reason(code=code, params=params)
    execution = transition.execution
    again = execution.policy.retry_interval + transition.now
    if RETRIED[code] and execution.attempt.number <= execution.policy.max_retries and again < execution.end_at:
        execution.next_attempt_at = utc(again)
        execution.verdict = Verdict(After.RETRY, ExecutionStatus.FAILED, reason)
    else:
        execution.verdict = Verdict(After.END, ExecutionStatus.FAILED, reason)
    if settled:
        release(transition)
    else:
        fence(transition)


def stop(transition: Transition, request: ExecutionStopRequested) -> None:
    """The user or the platform stops the execution (R119); comes too late for one whose result is known."""
    execution = transition.execution
    if execution.step is Step.CANCEL_OBSERVE:
        return
    execution.verdict = Verdict(After.END, *_end_of(request))
    if execution.step is not Step.CLOSING:
        fence(transition)


def yield_slot(transition: Transition) -> None:
    """The device did not answer: return the slot, keep the place in the queue, ask again when it speaks."""
    execution = transition.execution
    execution.attempt.slot_yields += 1
    if execution.attempt.slot_yields > transition.rules.max_slot_yields:
        fail(transition, ReasonCode.DEVICE_OFFLINE)
        return
    execution.verdict = Verdict(After.ASK_AGAIN, execution.status)
    fence(transition)


def fence(transition: Transition) -> None:
    """Make sure that the device gets no more of the image, then go on.

    MQTT devices have no radio to protect: their slot does not wait for the fence (ADR 0012).
    """
    if transition.execution.attempt.needs_fence and not transition.execution.is_mqtt:
        transition.enter(Step.CLOSING)
    else:
        release(transition)


def release(transition: Transition) -> None:
    """The device is fenced or done: return the slot, and do what the verdict says."""
    execution = transition.execution
    after = execution.verdict.after if execution.verdict else After.END
    if execution.attempt.needs_fence:
        _close_download(transition)
    execution.attempt.needs_fence = False
    transition.release_slot(keep_place=after is After.ASK_AGAIN)
    if after is After.ASK_AGAIN:
        execution.verdict = None
        transition.enter(Step.AWAIT_SLOT)
    elif after is After.RETRY:
        transition.enter(Step.RETRY_WAIT)
    elif execution.observed:
        transition.enter(Step.CANCEL_OBSERVE)
    else:
        end(transition)


def _close_download(transition: Transition) -> None:
    """Have the image served no more, without waiting for that: the device has said that it is done."""
    if transition.execution.is_mqtt:
        mqtt_commands.close_download(transition)
    else:
        transition.close_download(awaited=False)


def end(transition: Transition) -> None:
    """The execution ends as its verdict says and becomes a tombstone."""
    execution = transition.execution
    close(transition, execution)
    transition.device.execution = None


def refuse(transition: Transition, execution: Execution, code: ReasonCode) -> None:
    """End an execution that never became active."""
    execution.verdict = Verdict(After.END, ExecutionStatus.FAILED, Reason(code=code))
    close(transition, execution)


def close(transition: Transition, execution: Execution) -> None:
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
    _add_tombstone(transition, execution.execution_id)


def stop_unknown(transition: Transition, request: ExecutionStopRequested) -> None:
    """Record the stop of an execution that was never requested, so that a late request is ignored."""
    at = request.occurred_at
    status, reason = _end_of(request)
    transition.effects.append(
        ExecutionChanged(
            **transition.head(request.app_id),
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
    _add_tombstone(transition, request.execution_id)


def _end_of(request: ExecutionStopRequested) -> tuple[ExecutionStatus, Reason]:
    if request.reason is None:
        return ExecutionStatus.STOPPED, Reason(code=ReasonCode.STOPPED)
    return ExecutionStatus.FAILED, Reason(code=request.reason)


def _add_tombstone(transition: Transition, execution_id: str) -> None:
    """Keep the id of what has ended; drop the tombstones that no late duplicate can need any more."""
    oldest = transition.now - transition.rules.ended_kept
    transition.device.ended = {key: at for key, at in transition.device.ended.items() if at > oldest} | {
        execution_id: transition.now
    }

"""How attempts end, and in which order their traces are removed.

First the device is fenced if a Package URI may be with it (step `CLOSING`), then the slot is returned, then another
attempt waits, or the observation is cancelled and the execution ends (`endings`). A device that was told to update and
gives its verdict fetches nothing any more: its image is closed then, but the slot does not wait for that.
"""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import ExecutionStopRequested, RequestResult
from sluice_common.messages.execution_events import ExecutionStatus, Reason, Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import endings, lwm2m_commands, mqtt_commands, slots
from sluice_rules.devices.execution import After, Verdict
from sluice_rules.devices.readings import reason_params
from sluice_rules.devices.retries import is_healed_by_retry
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
    fail_for(transition, Reason(code=code, params=params), settled=settled)


def fail_for(transition: Transition, reason: Reason, *, settled: bool = False) -> None:
    """The attempt failed for a reason; the rest as in `fail`."""
    execution = transition.execution
    again = execution.policy.retry_interval + transition.now
    has_retries = execution.attempt.number <= execution.policy.max_retries
    if is_healed_by_retry(reason.code) and has_retries and again < execution.end_at:
        execution.next_attempt_at = utc(again)
        execution.verdict = Verdict(After.RETRY, ExecutionStatus.FAILED, reason)
    else:
        execution.verdict = Verdict(After.END, ExecutionStatus.FAILED, reason)
    if settled:
        release(transition)
    else:
        fence(transition)


def fail_by(transition: Transition, code: ReasonCode, answer: RequestResult | None) -> None:
    """The attempt failed by an answer of the device, which the reason tells: its code and path."""
    fail_for(transition, Reason(code=code, params=reason_params(answer)))


def stop(transition: Transition, request: ExecutionStopRequested) -> None:
    """The user or the platform stops the execution (R119); comes too late for one whose result is known."""
    execution = transition.execution
    if execution.step is Step.CANCEL_OBSERVE:
        return
    execution.verdict = endings.stopped(request)
    if execution.step is not Step.CLOSING:
        fence(transition)


def yield_slot(transition: Transition) -> None:
    """The device did not answer: return the slot, keep the place in the queue, ask again at its next uplink."""
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
    execution.attempt.opened_at = ()
    slots.release(transition, keep_place=after is After.ASK_AGAIN)
    if after is After.ASK_AGAIN:
        execution.verdict = None
        transition.enter(Step.AWAIT_SLOT)
    elif after is After.RETRY:
        transition.enter(Step.RETRY_WAIT)
    elif execution.observed:
        transition.enter(Step.CANCEL_OBSERVE)
    else:
        endings.end(transition)


def _close_download(transition: Transition) -> None:
    """Have the image served no more, without waiting for that: the device has said that it is done."""
    if transition.execution.is_mqtt:
        mqtt_commands.close_download(transition)
    else:
        lwm2m_commands.close_download(transition)

"""Callbacks to app servers: their rules without I/O (R086, R151).

A result is reported once an execution has ended, a state change whenever the device's Firmware Update State
(`/5/0/3`, OMA TS 1.1.1 §E.6) is another one. A delivery's id follows from what it reports, so that a replay of
events names the same deliveries again.
"""

import hmac
import random

from sluice_api.domain.models import CallbackEvent
from sluice_common.messages.base import to_json
from sluice_common.messages.execution_events import ExecutionChanged, Reason
from sluice_common.reasons import reason_text

_STATES = {0: "idle", 1: "downloading", 2: "downloaded", 3: "updating"}


def signature(secret: bytes, body: bytes) -> str:
    """Return the value of `Sluice-Signature`: HMAC-SHA256 over the body (RFC 2104)."""
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"


def retry_delay(attempts: int, first: float, max_delay: float, chance: random.Random) -> float:
    """Return seconds until the next attempt: exponential, with up to a quarter of jitter.

    Args:
        attempts: Attempts that have failed, from 1.
        first: Seconds after the first failure.
        max_delay: Bound, jitter excluded.
        chance: Source of the jitter.
    """
    delay = min(max_delay, first * 2.0 ** min(attempts - 1, 32))
    return delay * (1 + chance.random() / 4)


def event_of(execution: ExecutionChanged) -> CallbackEvent | None:
    """Return the event that a snapshot reports, if any."""
    if execution.status.is_final:
        return CallbackEvent.RESULT
    return CallbackEvent.STATE_CHANGED if execution.firmware_state is not None else None


def delivery_id(execution: ExecutionChanged, event: CallbackEvent) -> str:
    """Return the id of what is reported: the same for every snapshot that reports the same."""
    if event is CallbackEvent.RESULT:
        return f"{execution.execution_id}:{execution.status}"
    return f"{execution.execution_id}:{execution.attempt}:{execution.firmware_state}"


def callback_body(execution: ExecutionChanged, event: CallbackEvent) -> bytes:
    """Return the JSON that a receiver gets."""
    body = {
        "event": event,
        "delivery_id": delivery_id(execution, event),
        "app_id": execution.app_id,
        "task_id": execution.task_id,
        "execution_id": execution.execution_id,
        "device_id": execution.device_id,
        "status": execution.status,
        "step": execution.step,
        "attempt": execution.attempt,
        "reason": _reason(execution.reason),
        "source_version": execution.source_version,
        "target_version": execution.target_version,
        "reported_version": execution.reported_version,
        "occurred_at": execution.occurred_at,
        "duration_s": _duration(execution),
    }
    if event is CallbackEvent.STATE_CHANGED and execution.firmware_state is not None:
        body["firmware_state"] = execution.firmware_state
        body["firmware_state_name"] = _STATES.get(execution.firmware_state, "unknown")
    return to_json(body)


def _reason(reason: Reason | None) -> dict[str, object] | None:
    if reason is None:
        return None
    return {
        "code": reason.code,
        "params": reason.params,
        "text": reason_text(reason.code, reason.params),
        "text_zh": reason_text(reason.code, reason.params, "zh"),
    }


def _duration(execution: ExecutionChanged) -> float | None:
    """Return seconds from the start of the first attempt to the end, rounded to milliseconds."""
    if execution.started_at is None or execution.ended_at is None:
        return None
    return round((execution.ended_at - execution.started_at).total_seconds(), 3)

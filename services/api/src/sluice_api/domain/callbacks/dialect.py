"""How it is said: Sluice's own dialect of callbacks, a signed JSON body, and what a receiver's answer means.

Another dialect is another module with the same three functions: `body_of`, `headers_of`, `judge`.
"""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from sluice_api.domain.callbacks.happened import Happened
from sluice_api.domain.callbacks.signatures import key_of, signature_of
from sluice_api.domain.models import CallbackEvent, Subscription
from sluice_common.messages.base import to_json
from sluice_common.messages.execution_events import ExecutionChanged, Reason
from sluice_common.reasons import reason_text

_STATES = {0: "idle", 1: "downloading", 2: "downloaded", 3: "updating"}
_SUCCESS = range(200, 300)
_MAX_RETRY_AFTER = 3600.0
"""Seconds that a receiver may ask for at most."""
_MAX_CHARACTERS = 40
"""Of a `Retry-After` that is read; a date of HTTP has 29."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a post.

    Attributes:
        failure: Why the receiver did not take it; None if it did.
        retry_after: Seconds for which the receiver wants no further post, if it says so.
        gone: Whether the receiver says that it is gone for good (410).
    """

    failure: str | None = None
    retry_after: float | None = None
    gone: bool = False


def body_of(happened: Happened) -> bytes:
    """Return the JSON that a receiver gets."""
    execution = happened.execution
    body = {
        "event": happened.event,
        "delivery_id": happened.delivery_id,
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
    if happened.event is CallbackEvent.STATE_CHANGED and execution.firmware_state is not None:
        body["firmware_state"] = execution.firmware_state
        body["firmware_state_name"] = _STATES.get(execution.firmware_state, "unknown")
    return to_json(body)


def body_of_test(subscription: Subscription, delivery_id: str, at: datetime) -> bytes:
    """Return the JSON of a callback that reports nothing."""
    body = {
        "event": "test",
        "delivery_id": delivery_id,
        "app_id": subscription.app_id,
        "subscription_id": subscription.subscription_id,
        "occurred_at": at,
    }
    return to_json(body)


def headers_of(delivery_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers of a post, those of Standard Webhooks.

    `Sluice-Delivery-Id` and `Sluice-Signature`, HMAC-SHA256 over the body alone by the newest secret as it was given,
    are for receivers that were written before: who only knows these takes an old callback that somebody repeats for a
    new one.

    Args:
        delivery_id: What is told, the same in each attempt.
        body: The body.
        secrets: Those that sign it, the newest first; none signs nothing.
        now: UTC time of this attempt.
    """
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "Sluice-Delivery-Id": delivery_id,
    }
    if secrets:
        keys = [key_of(secret) for secret in secrets]
        headers["webhook-signature"] = signature_of(keys, delivery_id, timestamp, body)
        headers["Sluice-Signature"] = f"sha256={hmac.digest(secrets[0].encode(), body, 'sha256').hex()}"
    return headers


def judge(status: int, retry_after: str | None, now: datetime) -> Answer:
    """Return what an answer means: 2xx takes the callback, all else is tried again; 410 says that the receiver is gone.

    Args:
        status: HTTP status.
        retry_after: The header of that name (RFC 9110 §10.2.3), untrusted.
        now: UTC time.
    """
    if status in _SUCCESS:
        return Answer()
    return Answer(
        failure=f"status {status}", retry_after=_seconds(retry_after or "", now), gone=status == HTTPStatus.GONE
    )


def _seconds(retry_after: str, now: datetime) -> float | None:
    text = retry_after.strip()
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), _MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)


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

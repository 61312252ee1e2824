"""What app servers are told, and what their answers mean."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.domain.callbacks.dialect import Answer, body_of, headers_of, judge
from sluice_api.domain.callbacks.happened import what_happened
from sluice_api.domain.callbacks.signatures import signature_of
from sluice_api.domain.models import CallbackEvent
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Reason, Step
from sluice_common.reasons import ReasonCode

START = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = ExecutionChanged(
    app_id="a",
    occurred_at=START,
    execution_id="t:d",
    task_id="t",
    device_id="d",
    version=3,
    status=ExecutionStatus.RUNNING,
    step=Step.QUERY_VERSION,
    attempt=1,
    max_retries=0,
    target_version="V2",
    created_at=START,
)
FAILED = msgspec.structs.replace(
    RUNNING,
    status=ExecutionStatus.FAILED,
    step=Step.ENDED,
    reason=Reason(code=ReasonCode.INVALID_URI),
    started_at=START,
    ended_at=START + timedelta(seconds=12.5),
)
DOWNLOADING = msgspec.structs.replace(RUNNING, step=Step.DOWNLOADING, firmware_state=1)


def body(execution: ExecutionChanged) -> dict[str, object]:
    happened = what_happened(execution)
    assert happened is not None
    found: dict[str, object] = json.loads(body_of(happened))
    return found


def delivery_id(execution: ExecutionChanged) -> str:
    happened = what_happened(execution)
    assert happened is not None
    return happened.delivery_id


@pytest.mark.requirement("R086", "R151")
def test_a_result_is_reported_for_ended_executions_only() -> None:
    assert body(FAILED)["event"] == CallbackEvent.RESULT
    assert what_happened(RUNNING) is None
    assert what_happened(msgspec.structs.replace(RUNNING, step=Step.RETRY_WAIT)) is None


def test_a_state_change_is_reported_with_the_state_that_the_device_notified() -> None:
    found = body(DOWNLOADING)
    assert found["event"] == CallbackEvent.STATE_CHANGED
    assert (found["firmware_state"], found["firmware_state_name"]) == (1, "downloading")


def test_the_same_state_of_the_same_attempt_is_the_same_delivery_whatever_the_snapshot() -> None:
    later = msgspec.structs.replace(DOWNLOADING, version=9, occurred_at=START + timedelta(seconds=5))
    assert delivery_id(DOWNLOADING) == delivery_id(later) == "t:d:1:1"
    assert delivery_id(msgspec.structs.replace(DOWNLOADING, attempt=2)) == "t:d:2:1"


def test_a_result_says_why_in_both_languages_and_how_long_it_took() -> None:
    found = body(FAILED)
    assert found["delivery_id"] == "t:d:FAILED"
    assert found["duration_s"] == 12.5
    assert found["reason"] == {"code": "invalid_uri", "params": {}, "text": "Invalid URI", "text_zh": "无效的URI"}


def test_a_callback_is_signed_as_standard_webhooks_are_and_as_before() -> None:
    headers = headers_of("d", b"{}", ["whsec_bmV3", "old"], START)
    assert headers["webhook-id"] == headers["Sluice-Delivery-Id"] == "d"
    assert headers["webhook-timestamp"] == str(int(START.timestamp()))
    assert headers["webhook-signature"] == signature_of([b"new", b"old"], "d", int(START.timestamp()), b"{}")
    expected = hmac.new(b"whsec_bmV3", b"{}", hashlib.sha256).hexdigest()
    assert headers["Sluice-Signature"] == f"sha256={expected}"


def test_a_callback_without_a_secret_has_no_signature() -> None:
    assert not {"webhook-signature", "Sluice-Signature"} & set(headers_of("d", b"{}", [], START))


@pytest.mark.parametrize(
    ("status", "retry_after", "answer"),
    [
        (200, None, Answer()),
        (204, "60", Answer()),
        (302, None, Answer(failure="status 302")),
        (410, None, Answer(failure="status 410", gone=True)),
        (429, "120", Answer(failure="status 429", retry_after=120.0)),
        (503, " 7 ", Answer(failure="status 503", retry_after=7.0)),
        (503, "Thu, 01 Jan 2026 00:01:30 GMT", Answer(failure="status 503", retry_after=90.0)),
        (503, "Thu, 01 Jan 2025 00:01:30 GMT", Answer(failure="status 503", retry_after=0.0)),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", Answer(failure="status 503", retry_after=3600.0)),
        (503, "9" * 40, Answer(failure="status 503", retry_after=3600.0)),
        (503, "9" * 5000, Answer(failure="status 503")),
        (503, "-1", Answer(failure="status 503")),
        (503, "١٢", Answer(failure="status 503")),
        (503, "soon", Answer(failure="status 503")),
        (503, "", Answer(failure="status 503")),
    ],
)
def test_an_answer_takes_the_callback_or_says_when_to_try_again_or_ends_the_subscription(
    status: int, retry_after: str | None, answer: Answer
) -> None:
    assert judge(status, retry_after, START) == answer


@given(status=st.integers(100, 999), retry_after=st.none() | st.text(max_size=60))
def test_whatever_a_receiver_answers_no_pause_is_longer_than_an_hour(status: int, retry_after: str | None) -> None:
    assert 0.0 <= (judge(status, retry_after, START).retry_after or 0.0) <= 3600.0

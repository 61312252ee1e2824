"""Callbacks to app servers."""

import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sluice_api.domain.callbacks import (
    callback_body,
    delivery_id,
    event_of,
    retry_delay,
    signature,
)
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


@pytest.mark.requirement("R086", "R151")
def test_a_result_is_reported_for_ended_executions_only() -> None:
    assert event_of(FAILED) is CallbackEvent.RESULT
    assert event_of(RUNNING) is None
    assert event_of(msgspec.structs.replace(RUNNING, step=Step.RETRY_WAIT)) is None


def test_a_state_change_is_reported_with_the_state_that_the_device_notified() -> None:
    assert event_of(DOWNLOADING) is CallbackEvent.STATE_CHANGED
    body = json.loads(callback_body(DOWNLOADING, CallbackEvent.STATE_CHANGED))
    assert (body["firmware_state"], body["firmware_state_name"]) == (1, "downloading")


def test_the_same_state_of_the_same_attempt_is_the_same_delivery_whatever_the_snapshot() -> None:
    later = msgspec.structs.replace(DOWNLOADING, version=9, occurred_at=START + timedelta(seconds=5))
    assert (
        delivery_id(DOWNLOADING, CallbackEvent.STATE_CHANGED)
        == delivery_id(later, CallbackEvent.STATE_CHANGED)
        == "t:d:1:1"
    )
    assert delivery_id(msgspec.structs.replace(DOWNLOADING, attempt=2), CallbackEvent.STATE_CHANGED) == "t:d:2:1"


def test_a_result_says_why_in_both_languages_and_how_long_it_took() -> None:
    body = json.loads(callback_body(FAILED, CallbackEvent.RESULT))
    assert body["delivery_id"] == "t:d:FAILED"
    assert body["duration_s"] == 12.5
    assert body["reason"] == {"code": "invalid_uri", "params": {}, "text": "Invalid URI", "text_zh": "无效的URI"}


def test_the_signature_is_an_hmac_over_the_body() -> None:
    expected = hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
    assert signature(b"secret", b"{}") == f"sha256={expected}"


def test_the_back_off_doubles_up_to_its_bound_with_a_quarter_of_jitter() -> None:
    chance = random.Random(7)
    for attempts, least in [(1, 1.0), (2, 2.0), (5, 16.0), (11, 900.0), (5000, 900.0)]:
        assert least <= retry_delay(attempts, 1.0, 900.0, chance) <= least * 1.25

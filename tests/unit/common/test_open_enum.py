"""What a newer version writes comes through an older one unchanged: readers first (ADR 0023)."""

import copy
import pickle
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.messages import codec
from sluice_common.messages.base import to_json
from sluice_common.messages.cell_requests import CellRequest
from sluice_common.messages.codec import BrokenMessageError, Decoder
from sluice_common.messages.device_events import OutcomeStatus, UplinkKind
from sluice_common.messages.execution_events import (
    DeviceCommandStatus,
    ExecutionChanged,
    ExecutionStatus,
    HistoryEntry,
    Reason,
    Step,
)
from sluice_common.messages.slots import CoverageClass
from sluice_common.open_enum import OpenStrEnum
from sluice_common.reasons import ReasonCode, reason_text

OPEN: list[type[OpenStrEnum]] = [
    CoverageClass,
    DeviceCommandStatus,
    ExecutionStatus,
    OutcomeStatus,
    ReasonCode,
    Step,
    UplinkKind,
]
AT = datetime(2026, 1, 2, tzinfo=UTC)
TEXTS = st.text(min_size=1, max_size=64).filter(str.isprintable)
NEWER = ExecutionChanged(
    app_id="a",
    occurred_at=AT,
    execution_id="t:d",
    task_id="t",
    device_id="d",
    version=7,
    status=ExecutionStatus("PAUSED"),
    step=Step("VERIFYING"),
    attempt=1,
    max_retries=2,
    target_version="2.0",
    reason=Reason(code=ReasonCode("quota_exceeded"), params={"quota": "5"}),
    created_at=AT,
    history=(HistoryEntry(at=AT, attempt=1, step=Step("VERIFYING"), reason=Reason(code=ReasonCode("on_hold"))),),
)


def test_a_snapshot_with_members_of_a_newer_version_is_read_and_written_as_it_came() -> None:
    wire = to_json(NEWER)

    read = codec.EXECUTION_EVENTS.decode(wire)

    assert read == NEWER
    assert to_json(read) == wire
    assert msgspec.json.decode(wire)["status"] == "PAUSED"


@pytest.mark.parametrize(
    ("decoder", "wire"),
    [
        (
            codec.DEVICE_EVENTS,
            (
                b'{"type":"device_uplink","app_id":"a","occurred_at":"2026-01-02T00:00:00Z","device_id":"d",'
                b'"kind":"lorawan","gateway":0,"epoch":1,"awake_until":"2026-01-02T00:00:00Z"}'
            ),
        ),
        (
            codec.DEVICE_EVENTS,
            (
                b'{"type":"command_outcome","app_id":"a","occurred_at":"2026-01-02T00:00:00Z","device_id":"d",'
                b'"command_id":"c","status":"throttled"}'
            ),
        ),
        (
            codec.EXECUTION_EVENTS,
            (
                b'{"type":"device_command_changed","app_id":"a","occurred_at":"2026-01-02T00:00:00Z","command_id":"c",'
                b'"device_id":"d","version":1,"status":"DEFERRED"}'
            ),
        ),
    ],
)
def test_every_topic_takes_members_of_a_newer_version(decoder: Decoder, wire: bytes) -> None:
    assert to_json(decoder.decode(wire)) == wire


@given(st.sampled_from(OPEN), TEXTS)
def test_any_member_keeps_its_text_and_is_equal_to_itself(kind: type[OpenStrEnum], text: str) -> None:
    member = msgspec.json.decode(msgspec.json.encode(text), type=kind)

    assert (member.value, str(member)) == (text, text)
    assert member == kind(text)
    assert {member: 1}[kind(text)] == 1
    assert pickle.loads(pickle.dumps(member)) == copy.deepcopy(member) == member  # noqa: S301 - our own bytes
    assert msgspec.json.encode(member) == msgspec.json.encode(text)


@pytest.mark.parametrize("kind", OPEN)
def test_known_members_are_the_only_ones_that_are_listed(kind: type[OpenStrEnum]) -> None:
    before = list(kind)
    stranger = kind("from a newer version")

    assert not stranger.is_known
    assert all(member.is_known and kind(member.value) is member for member in before)
    assert list(kind) == before


@pytest.mark.parametrize("text", ["", "x" * 65, "two\nlines", "\x00"])
def test_what_no_version_would_write_is_no_member(text: str) -> None:
    with pytest.raises(ValueError, match="Step"):
        Step(text)
    with pytest.raises(BrokenMessageError):
        codec.EXECUTION_EVENTS.decode(to_json(NEWER).replace(b"VERIFYING", msgspec.json.encode(text)[1:-1]))


def test_a_window_of_a_newer_class_keeps_its_name() -> None:
    wire = (
        b'{"type":"slot_return","app_id":"a","occurred_at":"2026-01-02T00:00:00Z","device_id":"d","window":{'
        b'"network":"n","cell_id":7,"coverage_class":"level-3"},"grant":{"execution_id":"t:d","attempt":1,"ask_no":5}}'
    )

    read: CellRequest = codec.CELL_REQUESTS.decode(wire)

    assert str(read.window) == "n/7/level-3"
    assert to_json(read) == wire


def test_a_status_of_a_newer_version_ends_nothing() -> None:
    assert not ExecutionStatus("ARCHIVED").is_final
    assert not DeviceCommandStatus("DEFERRED").is_final


def test_a_reason_of_a_newer_version_is_told_by_its_code() -> None:
    reason = ReasonCode("quota_exceeded")

    assert reason_text(reason, {"error": "x"}) == "A reason of a newer version: quota_exceeded"
    assert "quota_exceeded" in reason_text(reason, {}, "zh")

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.adapters.mongo.projector.snapshots import (
    command_fields,
    device_fields,
    execution_fields,
    storable,
)
from sluice_api.application.projector.news import DeviceNews
from sluice_api.domain.models import DeviceRegistration
from sluice_common.messages.execution_events import (
    DeviceCommandChanged,
    DeviceCommandStatus,
    ExecutionChanged,
    ExecutionStatus,
    HistoryEntry,
    Reason,
    Step,
)
from sluice_common.reasons import ReasonCode

AT = datetime(2026, 11, 22, tzinfo=UTC)


def execution(name: str, version: int, status: ExecutionStatus = ExecutionStatus.RUNNING) -> ExecutionChanged:
    reason = Reason(code=ReasonCode.DOWNLOAD_TIMEOUT, params={"a": "b"})
    return ExecutionChanged(
        app_id="a",
        occurred_at=AT,
        execution_id=name,
        task_id="t",
        device_id="d",
        version=version,
        status=status,
        step=Step.DOWNLOADING,
        attempt=1,
        max_retries=0,
        target_version="2",
        reason=reason,
        created_at=AT,
        history=(HistoryEntry(at=AT, attempt=1, step=Step.ENDED, reason=reason),),
    )


@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_an_execution_is_active_until_it_has_ended(status: ExecutionStatus) -> None:
    assert execution_fields(execution("x", 1, status))["active"] is not status.is_final


def test_every_field_is_written_so_that_none_of_an_earlier_snapshot_stays() -> None:
    fields = execution_fields(execution("x", 1))
    left_out = {"app_id", "occurred_at", "schema_version", "traceparent", "execution_id", "task_id", "device_id"}
    assert set(fields) == set(ExecutionChanged.__struct_fields__) - left_out | {"active"}
    assert fields["next_attempt_at"] is None
    assert fields["reason"] == {"code": "download_timeout", "params": {"a": "b"}}
    assert fields["history"][0]["at"] == AT


@given(st.integers())
def test_integers_beyond_64_bits_are_kept_as_text(value: int) -> None:
    kept = storable(value)
    assert kept == value or kept == str(value)
    assert isinstance(kept, str) == (not -(2**63) <= value < 2**63)


def test_a_command_is_open_until_it_has_ended() -> None:
    for status in DeviceCommandStatus:
        changed = DeviceCommandChanged(
            app_id="a", occurred_at=AT, command_id="c", device_id="d", version=1, status=status, values={"/3/0/0": True}
        )
        fields = command_fields(changed)
        assert fields["open"] is not status.is_final
        assert fields["values"] == {"/3/0/0": True}


def test_of_a_device_only_what_was_reported_is_written() -> None:
    registration = DeviceRegistration(
        registered=True,
        lifetime=60,
        queue_mode=False,
        lwm2m_version="1.1",
        address="x",
        objects=("/5/0",),
        expires_at=AT,
        last_seen=AT,
    )
    assert device_fields(DeviceNews(firmware_version="2")) == {"firmware_version": "2"}
    fields = device_fields(DeviceNews(registration=registration))
    assert set(fields) == {"registration"}
    stored = fields["registration"]
    assert set(stored) == set(DeviceRegistration.__struct_fields__)
    assert (list(stored["objects"]), stored["last_seen"]) == (["/5/0"], AT)

"""Records survive their bytes, and of two the newer one is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.execution_events import Step
from sluice_rules.devices.device import Device
from sluice_scheduler.adapters.devices import records


def test_a_record_comes_back_equal_with_its_offset() -> None:
    story = Story().reach(Step.UPDATING)
    device = story.device
    assert device
    value = records.encode(device)
    assert records.decode(value) == device
    assert records.offset_of(value) == device.offset == story.offset


def test_a_record_of_a_newer_version_keeps_its_step_and_reasons() -> None:
    story = Story().reach(Step.UPDATING)
    assert story.device
    assert story.device.execution
    story.device.execution.step = Step("VERIFYING")
    value = records.encode(story.device)
    assert b"VERIFYING" in value
    assert records.encode(records.decode(value)) == value


def test_a_record_in_mid_upgrade_is_small() -> None:
    device = Story().reach(Step.QUERY_RESULT).device
    assert device
    assert len(records.encode(device)) < 2_000


def test_an_ended_execution_leaves_a_record_of_a_few_bytes() -> None:
    device = Story().reach(Step.ENDED).device
    assert device
    assert len(records.encode(device)) < 100


@given(st.binary(max_size=64))
def test_bytes_that_are_no_record_raise_a_broken_record_error(value: bytes) -> None:
    with pytest.raises(records.BrokenRecordError):
        records.decode(value)


def test_a_record_of_a_later_event_counts_as_newer() -> None:
    older, newer = (records.encode(Device(device_id="d", offset=offset)) for offset in (7, 300))
    assert records.offset_of(older) < records.offset_of(newer)
    assert records.offset_of(b"") == -1

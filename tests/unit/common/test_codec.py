"""Messages survive the wire, and what is no message is named as such."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.errors import PoisonError
from sluice_common.messages import codec
from sluice_common.messages.base import to_json
from sluice_common.messages.device_events import DeviceEvent, SlotGranted
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey

GRANTED = SlotGranted(
    app_id="app",
    occurred_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    device_id="d",
    window=WindowKey(network="46001", cell_id=7, coverage_class=CoverageClass.LEVEL_1),
    grant=Grant(execution_id="t:d", attempt=2, ask_no=99),
)


def test_a_message_is_json_with_a_type_and_comes_back_equal() -> None:
    wire = to_json(GRANTED)
    assert msgspec.json.decode(wire)["type"] == "slot_granted"
    assert codec.DEVICE_EVENTS.decode(wire) == GRANTED


def test_every_message_type_of_a_topic_has_its_own_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in DeviceEvent.__args__]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "empty"),
        (b"", "truncated"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "Expected `object`"),
        (b'{"type":"no_such_thing"}', "Invalid value"),
        (b'{"type":"slot_granted","app_id":"a"}', "missing required field"),
        (b'{"type":"slot_granted","x":' + b"[" * 100_000, "recursion"),
        (to_json(msgspec.structs.replace(GRANTED, schema_version=2)), "newer"),
    ],
)
def test_what_is_no_message_of_the_topic_is_broken_with_a_reason(value: bytes | None, why: str) -> None:
    with pytest.raises(codec.BrokenMessageError, match=why):
        codec.DEVICE_EVENTS.decode(value)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_a_broken_message_error(value: bytes) -> None:
    with pytest.raises(codec.BrokenMessageError):
        codec.CELL_REQUESTS.decode(value)


def test_a_broken_message_is_poison() -> None:
    with pytest.raises(PoisonError):
        codec.DEVICE_EVENTS.decode(b"no json")

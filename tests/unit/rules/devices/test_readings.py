"""Devices answer with any type, size and nonsense; only sense comes through."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.messages.device_events import RequestResult, ResourceValue
from sluice_rules.devices import readings

VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.0", "1.0"),
        (" 1.0\0\0 ", "1.0"),
        (2, "2"),
        (2.5, "2.5"),
        ("", None),
        ("   ", None),
        (None, None),
        (True, None),
        ("x" * 129, None),
    ],
)
def test_a_version_is_short_text_without_padding(value: ResourceValue, expected: str | None) -> None:
    assert readings.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (77, 77),
        ("77", 77),
        (77.0, 77),
        (0, 0),
        (2**28 - 1, 2**28 - 1),
        (2**28, None),
        (-1, None),
        (1.5, None),
        ("cell", None),
        (True, None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_cell_id_is_a_whole_number_of_28_bits(value: ResourceValue, expected: int | None) -> None:
    assert readings.cell_id(value) == expected


@given(st.one_of(VALUES, st.integers(-(2**70), 2**70)))
def test_no_value_breaks_a_reading(value: ResourceValue) -> None:
    for reading in (readings.text, readings.number, readings.integer, readings.bearer, readings.cell_id):
        msgspec.msgpack.encode(reading(value))


def test_a_value_of_a_refused_or_undecodable_answer_does_not_count() -> None:
    refused = RequestResult(path="/4/0", code="4.04", values={"/4/0/8": 1})
    broken = RequestResult(path="/4/0", code="2.05", values={"/4/0/8": 2}, error="bad TLV")
    good = RequestResult(path="/4/0/8", code="2.05", values={"/4/0/8": 3})
    assert readings.value_at((refused, broken), "/4/0/8") is None
    assert readings.value_at((refused, broken, good), "/4/0/8") == 3

"""Offsets of commands."""

from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.offsets import Offsets


def test_the_lowest_open_offset_is_committable() -> None:
    offsets = Offsets(5)
    assert offsets.committable == 5
    for offset in (5, 6, 9):
        offsets.begin(offset)
    offsets.done(6)
    assert offsets.committable == 5
    offsets.done(5)
    assert offsets.committable == 9
    offsets.done(9)
    assert offsets.committable == 10
    assert len(offsets) == 0


@given(st.permutations(range(20)), st.integers(0, 20))
def test_no_open_offset_is_below_the_committable_one(order: list[int], count: int) -> None:
    offsets = Offsets(0)
    for offset in range(20):
        offsets.begin(offset)
    for offset in order[:count]:
        offsets.done(offset)
    assert offsets.committable == min(order[count:], default=20)

"""When the targets of `bench commands` are met."""

import pytest

from sluice_bench.commands import TARGET_LEAVES_MS, TARGET_SEEN_MS, Spans, figures


def test_they_are_met_by_ninety_nine_of_a_hundred() -> None:
    spans = Spans([10.0] * 99 + [TARGET_LEAVES_MS], [100.0] * 99 + [TARGET_SEEN_MS])
    assert figures(spans)["met"]


@pytest.mark.parametrize(("leaves", "seen"), [(TARGET_LEAVES_MS + 1, 100.0), (10.0, TARGET_SEEN_MS + 1)])
def test_each_of_them_can_be_missed(leaves: float, seen: float) -> None:
    assert not figures(Spans([leaves] * 10, [seen] * 10))["met"]

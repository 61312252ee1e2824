"""When the figures of `bench hostile` are met."""

from typing import Any

import pytest

from sluice_bench.hostile import Seen, figures


def test_they_are_met_if_the_honest_device_has_all_its_answers_and_the_gateway_neither_restarts_nor_raises() -> None:
    assert figures(Seen(datagrams=10, seconds=1.0, honest_asked=2, honest_done=[1.0, 2.0]))["met"]


@pytest.mark.parametrize(
    "missed", [{"restarts": 1}, {"raised": 1}, {"honest_done": [1.0]}, {"honest_asked": 0, "honest_done": []}]
)
def test_each_of_them_can_be_missed(missed: dict[str, Any]) -> None:
    assert not figures(Seen(**{"honest_asked": 2, "honest_done": [1.0, 2.0], **missed}))["met"]

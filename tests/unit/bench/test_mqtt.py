"""When the target of `bench mqtt` is met."""

import pytest

from sluice_bench.mqtt import TARGET_US, is_met


def test_it_is_met_by_a_cheap_gateway_that_loses_nothing_at_the_asked_rate() -> None:
    assert is_met(TARGET_US, 0, 1_990.0, 2_000.0)


@pytest.mark.parametrize(
    ("per_message", "lost", "reached"), [(151.0, 0, 2_000.0), (100.0, 1, 2_000.0), (9.0, 0, 1_800.0)]
)
def test_it_is_not_met_by_an_expensive_one_or_a_loss_or_a_lower_rate(
    per_message: float, lost: int, reached: float
) -> None:
    assert not is_met(per_message, lost, reached, 2_000.0)

"""Chance that depends on names alone."""

from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator.dice import Dice


@given(seed=st.integers(), index=st.integers(0, 100_000))
def test_the_same_name_gives_the_same_numbers(seed: int, index: int) -> None:
    one, other = Dice(seed, index, "air"), Dice(seed, index, "air")
    assert [one.random() for _ in range(5)] == [other.random() for _ in range(5)]


def test_devices_and_purposes_have_streams_of_their_own() -> None:
    names = [(1, 1, "air"), (1, 1, "life"), (1, 2, "air"), (2, 1, "air")]
    assert len({Dice(*name).bits() for name in names}) == len(names)


def test_numbers_spread_evenly() -> None:
    dice = Dice(1, "spread")
    numbers = [dice.random() for _ in range(10_000)]
    assert all(0.0 <= number < 1.0 for number in numbers)
    tenths = [sum(at <= 10 * number < at + 1 for number in numbers) for at in range(10)]
    assert all(850 < count < 1150 for count in tenths)


def test_a_chance_comes_true_as_often_as_it_says() -> None:
    dice = Dice(1, "chance")
    assert 150 < sum(dice.chance(0.2) for _ in range(1000)) < 250


def test_between_stays_between() -> None:
    dice = Dice(1, "between")
    assert all(2.0 <= dice.between(2.0, 3.0) < 3.0 for _ in range(1000))

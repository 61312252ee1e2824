"""Classes of coverage."""

import pytest

from sluice_simulator.coverage import RadioClass, radio_class


@pytest.mark.requirement("R067", "R068", "R069", "R070")
@pytest.mark.parametrize(
    ("rsrp", "sinr", "expected"),
    [
        (-105, 7, RadioClass.LEVEL_0),
        (-60, 30, RadioClass.LEVEL_0),
        (-106, 7, RadioClass.LEVEL_1),
        (-105, 6, RadioClass.LEVEL_1),
        (-115, -3, RadioClass.LEVEL_1),
        (-116, -3, RadioClass.LEVEL_2),
        (-115, -4, RadioClass.LEVEL_2),
        (-125, -8, RadioClass.LEVEL_2),
        (-60, -8, RadioClass.LEVEL_2),
    ],
)
def test_the_weaker_level_counts(rsrp: int, sinr: int, expected: RadioClass) -> None:
    assert radio_class(rsrp, sinr) is expected


@pytest.mark.requirement("R071")
@pytest.mark.parametrize(
    ("rsrp", "sinr"), [(-126, 10), (-140, -20), (0, 10), (80, 10), (32_767, 32_767), (-90, 32_767)]
)
def test_implausible_values_are_level_2(rsrp: int, sinr: int) -> None:
    assert radio_class(rsrp, sinr) is RadioClass.LEVEL_2


@pytest.mark.requirement("R075", "R076")
@pytest.mark.parametrize(("rsrp", "sinr"), [(None, 10), (-90, None), (None, None)])
def test_half_a_reading_is_none(rsrp: int | None, sinr: int | None) -> None:
    assert radio_class(rsrp, sinr) is RadioClass.CELL_ONLY

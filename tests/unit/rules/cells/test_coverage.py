"""The weaker of two levels counts, and what is outside of all ranges is the weakest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.messages.slots import CoverageClass
from sluice_rules.cells.coverage import CoverageRules

RULES = CoverageRules()
LEVEL_0, LEVEL_1, LEVEL_2 = CoverageClass.LEVEL_0, CoverageClass.LEVEL_1, CoverageClass.LEVEL_2


@pytest.mark.parametrize(
    ("rsrp", "sinr", "expected"),
    [
        pytest.param(-105, 7, LEVEL_0, marks=pytest.mark.requirement("R067"), id="both in 0"),
        pytest.param(-105.1, 7, LEVEL_1, marks=pytest.mark.requirement("R068"), id="RSRP in 1"),
        pytest.param(-90, 6.9, LEVEL_1, marks=pytest.mark.requirement("R068"), id="SINR in 1"),
        pytest.param(-115, -3.1, LEVEL_2, marks=pytest.mark.requirement("R069"), id="1 and 2"),
        pytest.param(-115.1, -3, LEVEL_2, marks=pytest.mark.requirement("R069"), id="2 and 1"),
        pytest.param(-90, -8, LEVEL_2, marks=pytest.mark.requirement("R070"), id="0 and 2"),
        pytest.param(-125, 20, LEVEL_2, marks=pytest.mark.requirement("R070"), id="2 and 0"),
        pytest.param(-140, -20, LEVEL_2, marks=pytest.mark.requirement("R071"), id="below all"),
        pytest.param(-90, -9, LEVEL_2, marks=pytest.mark.requirement("R071"), id="SINR below all"),
        pytest.param(0, 12, LEVEL_2, id="RSRP of zero"),
        pytest.param(32767, 12, LEVEL_2, id="RSRP of a broken modem"),
        pytest.param(-90, 32767, LEVEL_2, id="SINR of a broken modem"),
        pytest.param(-44, 40, LEVEL_0, id="the best that 3GPP reports"),
    ],
)
def test_the_weaker_level_counts(rsrp: float, sinr: float, expected: CoverageClass) -> None:
    assert RULES.coverage_class(rsrp, sinr) is expected


@pytest.mark.requirement("R070")
@given(st.floats(-200, 200), st.floats(-200, 200))
def test_the_class_is_the_greater_of_the_two_levels(rsrp: float, sinr: float) -> None:
    expected = max(RULES.rsrp.level(rsrp), RULES.sinr.level(sinr))
    assert RULES.coverage_class(rsrp, sinr).value == f"level-{expected}"

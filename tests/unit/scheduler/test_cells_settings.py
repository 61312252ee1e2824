"""The figures of each class of windows are settings (D01)."""

import pytest

from sluice_common.messages.slots import CoverageClass
from sluice_scheduler.settings import CellsSettings


@pytest.mark.parametrize(
    ("coverage_class", "limit"),
    [
        pytest.param(CoverageClass.LEVEL_0, 50, marks=pytest.mark.requirement("R067", "R072")),
        pytest.param(CoverageClass.LEVEL_1, 10, marks=pytest.mark.requirement("R068", "R072")),
        pytest.param(CoverageClass.LEVEL_2, 1, marks=pytest.mark.requirement("R069", "R071", "R072")),
        pytest.param(CoverageClass.CELL_ONLY, 10, marks=pytest.mark.requirement("R076")),
        pytest.param(CoverageClass.TASK, 200, marks=pytest.mark.requirement("R102")),
    ],
)
def test_each_coverage_class_has_its_limit_of_slots(coverage_class: CoverageClass, limit: int) -> None:
    assert CellsSettings().rules_of(coverage_class).limit == limit


def test_a_coverage_class_that_a_newer_version_made_has_the_strictest_limit() -> None:
    assert CellsSettings().rules_of(CoverageClass("level-3")).limit == 1


@pytest.mark.requirement("D01")
def test_limits_and_times_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_WINDOW_LIMIT_LEVEL_0", "7")
    monkeypatch.setenv("SLUICE_BEGIN_MARGIN", "3")
    monkeypatch.setenv("SLUICE_PROBE_INTERVAL", "60")
    rules = CellsSettings().rules_of(CoverageClass.LEVEL_0)
    assert (rules.limit, rules.begin_margin, rules.probe_interval) == (7, 3.0, 60.0)

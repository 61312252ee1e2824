"""The law of the windows against the simulation over the rules, and the document against both."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_bench.scaling import DOCUMENT, table_of, with_tables
from sluice_bench.scaling_campaign import HOP, LIMITS, Campaign
from sluice_bench.scaling_device import Profile
from sluice_bench.scaling_law import COSTS_MS, RECORDS, campaign_seconds
from sluice_bench.scaling_tables import Assumptions, campaign_table, cost_table, fleet_table, simulate
from sluice_common.messages.slots import CoverageClass

LEVEL_0, LEVEL_1, LEVEL_2 = CoverageClass.LEVEL_0, CoverageClass.LEVEL_1, CoverageClass.LEVEL_2
LEAD = 20.0
"""Seconds until the first slot at most: WAITING and two queries."""
HAND_OVER = 4 * HOP
"""Seconds from one slot to the next: the return, the grant, and rounding."""


@given(
    downloads=st.lists(st.floats(10.0, 2_000.0), min_size=1, max_size=25),
    limit=st.integers(1, 6),
    coverage=st.sampled_from((LEVEL_0, LEVEL_1, LEVEL_2)),
)
@settings(max_examples=25, deadline=None)
def test_a_window_takes_no_less_than_its_slots_allow_and_no_more_than_a_longest_stay_beyond(
    downloads: Sequence[float], limit: int, coverage: CoverageClass
) -> None:
    profiles = [Profile(coverage, seconds, 60.0) for seconds in downloads]
    result = Campaign(profiles, {coverage: limit}).run()
    held = result.held[coverage]
    assert len(result.ended[coverage]) == len(downloads)
    assert result.max_held[coverage] == min(limit, len(downloads))
    least = max(sum(held) / limit, *held)
    # Who takes the longest-waiting as soon as a slot is free is never later than this (Graham 1966).
    most = LEAD + sum(held) / limit + max(held) * (1 - 1 / limit) + HAND_OVER * len(downloads)
    assert least <= result.makespan() <= most


@given(devices=st.integers(1, 40), limit=st.integers(1, 10))
@settings(max_examples=15, deadline=None)
def test_devices_that_are_alike_take_as_long_as_the_law_says(devices: int, limit: int) -> None:
    result = Campaign([Profile(LEVEL_0, 100.0, 60.0)] * devices, {LEVEL_0: limit}).run()
    law = campaign_seconds(devices, limit, max(result.held[LEVEL_0]), 0.0)
    assert law <= result.makespan() <= law + LEAD + HAND_OVER * devices


def test_the_classes_of_a_cell_do_not_wait_for_each_other() -> None:
    strong, weak = [Profile(LEVEL_0, 100.0, 60.0)] * 60, [Profile(LEVEL_2, 1_000.0, 60.0)] * 3
    together = Campaign([*weak, *strong]).run()
    assert together.makespan(LEVEL_0) == pytest.approx(Campaign(strong).run().makespan(), abs=1.0)
    assert together.makespan(LEVEL_2) == pytest.approx(Campaign(weak).run().makespan(), abs=1.0)


def test_sleepers_take_a_free_slot_when_they_wake() -> None:
    first, second = (Profile(LEVEL_2, 100.0, 60.0, wake_every=3_600.0, first_wake=at) for at in (0.0, 30.0))
    ends = sorted(Campaign([first, second]).run().ended[LEVEL_2])
    assert ends[0] < 300.0
    assert 3_600.0 < ends[1] < 4_200.0


def test_the_same_seed_gives_the_same_campaign() -> None:
    simulate.cache_clear()
    one = simulate(Assumptions(seed=7), 20, "mixed").ended
    simulate.cache_clear()
    assert simulate(Assumptions(seed=7), 20, "mixed").ended == one
    assert simulate(Assumptions(seed=8), 20, "mixed").ended != one


def test_the_costs_are_those_of_the_benchmarks() -> None:
    text = (DOCUMENT.parent / "benchmarks.md").read_text()
    row = next(line for line in text.splitlines() if "bench upgrade" in line)
    assert {part: float(cost) for part, cost in re.findall(r"([a-z][a-z0-9-]+) (\d+\.\d)[,)]", row)} == COSTS_MS
    records = next(line for line in text.splitlines() if "Kafka records per upgrade" in line)
    assert records.rstrip(" |").split("|")[-1].strip().split(", ")[1] == str(RECORDS)


def test_the_limits_are_those_of_the_scheduler() -> None:
    text = (DOCUMENT.parent / "upgrade.md").read_text()
    for coverage, limit in LIMITS.items():
        assert re.search(rf"`{coverage.name}`.*\| {limit} \|", text)


def test_the_tables_of_the_document_are_those_that_the_command_makes() -> None:
    assert table_of(DOCUMENT, "cost") == cost_table()
    assert table_of(DOCUMENT, "fleet") == fleet_table(Assumptions())


def test_the_small_cells_of_the_document_are_those_that_are_simulated() -> None:
    recomputed = campaign_table(Assumptions(), [100])
    assert table_of(DOCUMENT, "campaign").startswith(recomputed)


def test_a_table_is_replaced_where_it_stands(tmp_path: Path) -> None:
    document = tmp_path / "page"
    document.write_text(with_tables("a\n<!-- table x -->\nold\n<!-- end -->\nb\n", {"x": "| new |\n"}))
    assert document.read_text() == "a\n<!-- table x -->\n| new |\n<!-- end -->\nb\n"
    assert table_of(document, "x") == "| new |\n"
    with pytest.raises(ValueError, match="no place"):
        with_tables("a", {"x": ""})

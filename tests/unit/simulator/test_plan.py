"""Fleets from seeds."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator import packet as coap
from sluice_simulator import plan
from sluice_simulator.coverage import LIMITS, RadioClass, radio_class
from sluice_simulator.dialects import LITEOS, PLAIN_TEXT
from sluice_simulator.fleet import Behaviour, DeviceSpec, Result, Role, Stage
from sluice_simulator.kinds import HEALTHY, KINDS, REASON_OF_RESULT
from sluice_simulator.plan import PlanOptions, cell_sizes, make_plan


def class_of(spec: DeviceSpec) -> RadioClass:
    if "/4/0" in spec.read_errors:
        return RadioClass.CELL_ONLY
    return radio_class(spec.coverage.rsrp, spec.coverage.sinr)


def test_the_same_options_give_the_same_fleet_and_another_seed_another() -> None:
    options = PlanOptions(devices=120, cells=4, seed=5)
    assert make_plan(options) == make_plan(options)
    assert make_plan(options).devices != make_plan(PlanOptions(devices=120, cells=4, seed=6)).devices


def test_endpoints_are_distinct() -> None:
    devices = make_plan(PlanOptions(devices=500, cells=4)).devices
    assert len({spec.endpoint for spec in devices}) == 500


@given(devices=st.integers(1, 3000), cells=st.integers(1, 60), seed=st.integers(0, 10))
def test_every_device_is_in_a_cell(devices: int, cells: int, seed: int) -> None:
    sizes = cell_sizes(devices, cells, Random(seed))
    assert sum(sizes) == devices
    assert len(sizes) == cells
    assert min(sizes) >= 0


def test_cells_are_uneven() -> None:
    sizes = cell_sizes(2000, 40, Random(1))
    dense = [size for size in sizes if size >= 100]
    assert 5 <= len(dense) < 20
    assert min(sizes) < 30
    assert len(set(sizes)) > 10


@pytest.mark.parametrize("seed", range(1, 21))
def test_three_dense_cells_of_300_devices_fill_a_window_of_every_class(seed: int) -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3, seed=seed)).devices
    takers = Counter(
        (spec.cell, class_of(spec)) for spec in devices if spec.kind == "healthy" and spec.rhythm.awake_seconds is None
    )
    for name, limit in LIMITS.items():
        assert max(count for (_, key), count in takers.items() if key is name) > limit, name


@pytest.mark.parametrize("seed", range(5))
def test_three_dense_cells_of_300_devices_are_crowded_in_every_class(seed: int) -> None:
    assert make_plan(PlanOptions(devices=300, cells=3, seed=seed)).crowded_classes() == set(RadioClass)


def test_few_devices_in_a_dense_cell_crowd_only_some_classes() -> None:
    plan = make_plan(PlanOptions(devices=120, cells=1))
    assert plan.crowded_classes() == {RadioClass.LEVEL_0, RadioClass.LEVEL_2}
    assert make_plan(PlanOptions(devices=20, cells=1)).crowded_classes() == set()


@pytest.mark.parametrize("seed", range(1, 6))
def test_level_2_is_rare_and_sound_because_its_windows_have_one_slot(seed: int) -> None:
    devices = make_plan(PlanOptions(devices=2000, cells=40, seed=seed)).devices
    weak = [spec for spec in devices if class_of(spec) is RadioClass.LEVEL_2 and "/4/0/8" not in spec.read_errors]
    assert max(Counter(spec.cell for spec in weak).values()) <= 4
    assert {spec.kind for spec in weak} == {"healthy"}
    assert all(spec.rhythm.awake_seconds is None and not spec.radio.loss for spec in weak)


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_device_hangs_in_the_window_that_its_dense_cell_shall_fill(seed: int) -> None:
    devices = make_plan(PlanOptions(devices=2000, cells=40, seed=seed)).devices
    hanging = {kind.name for kind in KINDS if kind.hangs}
    full = plan._windows_to_fill([(spec.cell, class_of(spec)) for spec in devices])
    assert len({radio_class for _, radio_class in full}) == 3
    assert {spec.kind for spec in devices if (spec.cell, class_of(spec)) in full}.isdisjoint(hanging)
    assert hanging <= {spec.kind for spec in devices}


def test_every_kind_occurs_when_enough_devices_misbehave() -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3)).devices
    assert {spec.kind for spec in devices} == {kind.name for kind in KINDS} | {HEALTHY.name}
    assert sum(spec.kind != "healthy" for spec in devices) == 36


def test_every_update_result_is_a_reason() -> None:
    assert set(REASON_OF_RESULT) == {result for result in Result if result > Result.SUCCESS}
    fates = {fate.result for kind in KINDS for fate in kind.fates if fate.behaviour is Behaviour.FAIL}
    assert fates == set(REASON_OF_RESULT)


def test_without_retries_no_device_needs_one() -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3, retries=0)).devices
    needing = {kind.name for kind in KINDS if kind.needs_retry}
    assert not needing & {spec.kind for spec in devices}
    dying = next(spec for spec in devices if spec.kind == "dies-downloading")
    assert dying.expected_reason == "download_timeout"


def test_with_retries_a_dead_device_fails_its_last_attempt_for_another_reason() -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3, retries=1)).devices
    dying = next(spec for spec in devices if spec.kind == "dies-downloading")
    assert dying.expected_reasons[0] != "download_timeout"


def test_kinds_may_be_left_out() -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3, excluded_kinds=("stopped", "never-online"))).devices
    assert not {"stopped", "never-online"} & {spec.kind for spec in devices}


def test_a_device_that_must_tell_its_result_knows_more_than_8() -> None:
    devices = make_plan(PlanOptions(devices=2000, cells=3, failing=0.5)).devices
    reporting = {kind.name for kind in KINDS if kind.tells_result}
    assert all(spec.dialect is not LITEOS for spec in devices if spec.kind in reporting)
    assert any(spec.dialect is LITEOS for spec in devices)


def test_a_stopped_device_downloads_long_enough_to_be_stopped() -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3, download_seconds=8.0)).devices
    stopped = [spec for spec in devices if spec.role is Role.TO_STOP]
    assert stopped
    assert all(spec.pace.download_seconds == 80.0 and spec.expected == "STOPPED" for spec in stopped)


def test_a_device_that_moves_is_elsewhere_after_its_first_attempt() -> None:
    devices = make_plan(PlanOptions(devices=300, cells=3)).devices
    moving = [spec for spec in devices if spec.moves_to is not None]
    assert moving
    assert all(spec.moves_to != spec.cell and len(spec.fates) == 2 for spec in moving)


def test_fates_strike_at_blocks_of_their_own() -> None:
    devices = make_plan(PlanOptions(devices=3000, cells=3, failing=0.5)).devices
    blocks = Counter(
        fate.after_blocks
        for spec in devices
        for fate in spec.fates
        if fate.stage is Stage.DOWNLOAD and spec.kind == "dies-downloading"
    )
    assert set(blocks) == {1, 2, 3, 4, 5, 6}


def test_cell_only_devices_hide_their_coverage_in_every_way() -> None:
    devices = make_plan(PlanOptions(devices=2000, cells=3, failing=0.0)).devices
    hidden = [spec for spec in devices if class_of(spec) is RadioClass.CELL_ONLY]
    ways = {
        spec.read_errors.get("/4/0", "missing rsrp" if spec.coverage.rsrp is None else "missing sinr")
        for spec in hidden
    }
    assert ways == {coap.NOT_FOUND, coap.METHOD_NOT_ALLOWED, "missing rsrp", "missing sinr"}


def test_a_uniform_fleet_is_uniform() -> None:
    devices = make_plan(PlanOptions(devices=200, cells=2, uniform=True, failing=0.0)).devices
    assert {class_of(spec) for spec in devices} == {RadioClass.LEVEL_0}
    assert {spec.dialect for spec in devices} == {PLAIN_TEXT}
    assert len({(spec.rhythm, spec.radio, spec.pace) for spec in devices}) == 1


def test_times_scale_and_shares_do_not() -> None:
    options = PlanOptions(report_seconds=30.0, loss=0.05, download_seconds=8.0).scaled(0.1)
    assert (options.report_seconds, options.loss, options.download_seconds) == (3.0, 0.05, 0.8)


def test_the_plan_tells_cells_and_expectations() -> None:
    plan = make_plan(PlanOptions(devices=300, cells=3))
    assert sum(plan.cells().values()) == 300
    ends = plan.expectations()
    assert {end for end, _ in ends.values()} == {"SUCCEEDED", "FAILED", "STOPPED"}
    same = next(spec for spec in plan.devices if spec.kind == "same-version")
    assert ends[same.endpoint] == ("SUCCEEDED", ("same_version",))

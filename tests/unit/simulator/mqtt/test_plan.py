"""A fleet of MQTT devices from one seed."""

from dataclasses import replace

import pytest

from sluice_simulator.fleet import Role
from sluice_simulator.mqtt.kinds import KINDS
from sluice_simulator.mqtt.plan import MqttOptions, make_plan


def test_the_same_seed_gives_the_same_fleet_and_another_another() -> None:
    options = MqttOptions(devices=50, seed=4)
    assert make_plan(options) == make_plan(options)
    assert make_plan(options).devices != make_plan(replace(options, seed=5)).devices


def test_every_kind_is_there_once_enough_devices_misbehave() -> None:
    plan = make_plan(MqttOptions(devices=4 * len(KINDS), failing=0.25))
    assert {spec.kind for spec in plan.devices} == {"healthy", *(kind.name for kind in KINDS)}


def test_a_hundred_devices_have_every_kind_if_nothing_else_is_asked_for() -> None:
    assert {spec.kind for spec in make_plan(MqttOptions()).devices} == {"healthy", *(kind.name for kind in KINDS)}


@pytest.mark.requirement("D13")
def test_those_that_count_from_one_download_in_parts_under_a_product_of_their_own() -> None:
    plan = make_plan(MqttOptions(devices=300))
    counting = [spec for spec in plan.devices if spec.manner.one_based]
    assert counting
    assert all(spec.role is Role.ONE_BASED and spec.manner.parts for spec in counting)


def test_without_retries_nothing_depends_on_one() -> None:
    kinds = {spec.kind for spec in make_plan(MqttOptions(devices=300, retries=0)).devices}
    assert kinds.isdisjoint(kind.name for kind in KINDS if kind.needs_retry)


def test_one_that_shall_be_stopped_takes_ten_times_as_long_and_downloads_in_parts() -> None:
    plan = make_plan(MqttOptions(devices=300, download_seconds=8.0))
    stopped = [spec for spec in plan.devices if spec.role is Role.TO_STOP]
    assert stopped
    assert all(spec.pace.download_seconds == 80.0 and spec.manner.parts for spec in stopped)


def test_one_that_blocks_is_given_up_by_the_broker_within_its_download() -> None:
    plan = make_plan(MqttOptions(devices=300, download_seconds=8.0, keep_alive=60))
    blocking = [spec for spec in plan.devices if spec.kind == "blocks-while-downloading"]
    assert blocking
    assert all(1.5 * spec.pace.keep_alive < 0.5 * spec.pace.download_seconds for spec in blocking)


def test_a_uniform_fleet_is_all_alike() -> None:
    plan = make_plan(MqttOptions(devices=20, failing=0.0, uniform=True))
    assert len({spec.manner for spec in plan.devices}) == 1


@pytest.mark.parametrize("wrong", [{"devices": 0}, {"failing": 1.5}, {"update_seconds": -1.0}, {"keep_alive": -1}])
def test_options_that_make_no_fleet_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MqttOptions(**wrong)  # type: ignore[arg-type]

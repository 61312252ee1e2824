"""The invariants for MQTT devices over a hostile bus: `decide` alone, and coupled with `admit`."""

from collections.abc import Callable

import pytest
from tests.unit.rules.coupled.test_coupled import endure
from tests.unit.rules.world.mqtt import MqttWorld

from sluice_common.messages.snapshots import UpgradePolicy


@pytest.mark.requirement("R100", "R102")
def test_the_rules_of_one_mqtt_device_hold_whatever_happens_around_them(mqtt_alone: Callable[[], MqttWorld]) -> None:
    endure(mqtt_alone)


@pytest.mark.requirement("R100", "R102")
def test_mqtt_devices_and_the_window_of_their_task_keep_the_invariants_together(
    mqtt_and_admit: Callable[[], MqttWorld],
) -> None:
    endure(mqtt_and_admit)


@pytest.mark.requirement("R091", "R097", "R100", "R101")
def test_without_trouble_every_mqtt_device_of_the_model_upgrades(mqtt_and_admit: Callable[[], MqttWorld]) -> None:
    world = mqtt_and_admit()
    for name in world.fleet:
        world.speak(name, 0.0, registers=True)
        world.request("t", name, UpgradePolicy())
    world.run_out()
    final = [max(known.values(), key=lambda s: s.version) for known in world.snapshots.values()]
    assert [s.status.value for s in final] == ["SUCCEEDED"] * 4
    assert {d.version for d in world.fleet.values()} == {"t"}

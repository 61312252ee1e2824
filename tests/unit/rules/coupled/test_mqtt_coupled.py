"""The invariants for MQTT devices over a hostile bus: `decide` alone, and coupled with `admit`."""

import pytest
from tests.unit.rules.world.hostility import endure
from tests.unit.rules.world.mqtt import MqttWorld
from tests.unit.rules.world.windows import AdmittingWindows, UnlimitedWindows

from sluice_common.messages.snapshots import UpgradePolicy


@pytest.mark.requirement("R100", "R102")
def test_decide_alone_holds_its_invariants_of_mqtt_devices_over_a_hostile_bus() -> None:
    endure(lambda: MqttWorld(UnlimitedWindows()))


@pytest.mark.requirement("R100", "R102")
def test_mqtt_devices_and_the_window_of_their_task_keep_the_invariants_over_a_hostile_bus() -> None:
    endure(lambda: MqttWorld(AdmittingWindows()))


@pytest.mark.requirement("R091", "R097", "R100", "R101")
def test_without_trouble_every_mqtt_device_of_the_model_upgrades() -> None:
    world = MqttWorld(AdmittingWindows())
    for name in world.names:
        world.speak(name, 0.0, registers=True)
        world.request("t", name, UpgradePolicy())
    world.run_out()
    final = [max(known.values(), key=lambda s: s.version) for known in world.snapshots.values()]
    assert [s.status.value for s in final] == ["SUCCEEDED"] * 4
    assert {d.version for d in world.devices.values()} == {"t"}

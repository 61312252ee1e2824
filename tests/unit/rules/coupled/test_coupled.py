"""The seven invariants (docs/architecture.md) over a hostile bus: `decide` alone, and coupled with `admit`."""

from collections.abc import Callable

import pytest
from tests.unit.rules.world.hostility import endure
from tests.unit.rules.world.lwm2m import Lwm2mWorld
from tests.unit.rules.world.windows import AdmittingWindows, UnlimitedWindows, Windows

from sluice_common.messages.snapshots import UpgradePolicy


@pytest.mark.requirement("R087", "R119", "R143")
def test_decide_alone_holds_its_invariants_over_a_hostile_bus() -> None:
    endure(lambda: Lwm2mWorld(UnlimitedWindows()))


@pytest.mark.requirement("R072", "R073", "R087")
def test_decide_and_admit_together_hold_the_seven_invariants_over_a_hostile_bus() -> None:
    endure(lambda: Lwm2mWorld(AdmittingWindows()))


@pytest.mark.parametrize("windows", [UnlimitedWindows, AdmittingWindows])
def test_without_trouble_every_lwm2m_device_of_the_model_upgrades(windows: Callable[[], Windows]) -> None:
    world = Lwm2mWorld(windows())
    for name in world.names:
        world.speak(name, 300.0, registers=True)
        world.request("t", name, UpgradePolicy())
    world.run_out()
    final = [max(known.values(), key=lambda s: s.version) for known in world.snapshots.values()]
    assert [s.status.value for s in final] == ["SUCCEEDED"] * 4
    assert {d.version for d in world.devices.values()} == {"t"}

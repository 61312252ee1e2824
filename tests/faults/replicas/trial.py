"""One campaign on two of everything with one fault in its midst, and what must hold afterwards."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from tests.campaigns import lives, patient_campaign
from tests.faults.campaigns import Harm, when_full

from sluice_demo.judgement import Judgement, judge
from sluice_demo.run import Place, run
from sluice_demo.scenario import Scenario
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.domain.services import PARTS

_DEVICES, _MQTT_DEVICES, _CELLS = 400, 100, 4
_PATIENCE = 60.0
"""Seconds of each timeout beyond what the fault lasts."""
Record = Callable[[str, object], None]


def five_hundred(lasting: float = 0.0) -> Scenario:
    """Return 500 healthy devices whose timeouts outlast a fault of so many seconds."""
    return patient_campaign(devices=_DEVICES, mqtt_devices=_MQTT_DEVICES, cells=_CELLS, seconds=lasting + _PATIENCE)


async def under(fault: Harm, folder: Path, *, lasting: float = 0.0, scenario: Scenario | None = None) -> Judgement:
    """Run the campaign, do the harm once a window is full, and return the judgement.

    Args:
        fault: What is done.
        folder: Of the system's state.
        lasting: Seconds that it takes, by which the campaign may take longer.
        scenario: Another campaign than `five_hundred`.
    """
    place = Place(free_base(), folder, replicas=2)
    campaign = scenario or five_hundred(lasting)
    return judge(await run(campaign, place, Console(), meanwhile=when_full(fault), longer=lasting + _PATIENCE))


def require_sound(judgement: Judgement) -> None:
    """Check that everything ended well, as seen by the platform, by its app server and at the devices.

    That no window was over its limit and nobody was told to update twice is measured at the devices; that sums are
    right and every result was called back is among the differences.
    """
    report = judgement.report
    assert report.violations == 0, judgement.differences
    assert report.succeeded == report.devices, judgement.differences
    assert report.callbacks.received == report.callbacks.expected == report.devices
    assert not judgement.differences


def row(fault: str, judgement: Judgement, folder: Path) -> str:
    """Return a line of the table of `docs/reliability.md`."""
    report, (starts, _) = judgement.report, lives(folder)
    ours = sorted((name, count - 1) for name, count in starts.items() if count > 1 and name not in PARTS)
    again = ", ".join(f"{name} {count}" for name, count in ours) or "none"
    calls = f"{report.callbacks.received} + {report.callbacks.duplicates}"
    ended = f"{report.succeeded} of {report.devices}"
    return f"| {fault} | {ended} | {report.violations} | {calls} | {report.makespan_s:.0f} s | {again} |"

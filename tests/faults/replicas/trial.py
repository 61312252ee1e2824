"""One campaign on two of everything with one fault in its midst, and what must hold afterwards."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tests.campaigns import lives, patient_campaign
from tests.faults.campaigns import Harm, when_full

from sluice_demo.judgement import Judgement, judge
from sluice_demo.run import Place, run
from sluice_demo.scenario import Scenario
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.domain.services import PARTS

_MQTT_SHARE = 0.2
_LWM2M_PER_CELL = 100
_LONGER = 60.0
"""Seconds by which each timeout, and the campaign, are longer than the fault."""


@dataclass(frozen=True)
class Trial:
    """What a test does.

    Attributes:
        devices: Devices of the campaign, a fifth of them by MQTT.
        folder: Of the system's state.
        record: Takes a line of the table.
    """

    devices: int
    folder: Path
    record: Callable[[str], None]

    def campaign(self, lasting: float = 0.0) -> Scenario:
        """Return healthy devices whose timeouts outlast a fault of so many seconds."""
        mqtt = round(self.devices * _MQTT_SHARE)
        lwm2m = self.devices - mqtt
        cells = max(1, lwm2m // _LWM2M_PER_CELL)
        return patient_campaign(devices=lwm2m, mqtt_devices=mqtt, cells=cells, seconds=lasting + _LONGER)

    async def under(
        self,
        name: str,
        fault: Harm,
        *,
        lasting: float = 0.0,
        scenario: Scenario | None = None,
        python: str = sys.executable,
    ) -> Judgement:
        """Run the campaign, do the harm once a window is full, and return the judgement.

        Args:
            name: What is done, for the table.
            fault: Does it.
            lasting: Seconds that it takes, by which the campaign may take longer.
            scenario: Another campaign than `campaign`.
            python: Runs the services.
        """
        place = Place(free_base(), self.folder, replicas=2, python=python)
        campaign = scenario or self.campaign(lasting)
        evidence = await run(campaign, place, Console(), meanwhile=when_full(fault), longer=lasting + _LONGER)
        judgement = judge(evidence)
        self.record(row(name, judgement, self.folder))
        return judgement


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

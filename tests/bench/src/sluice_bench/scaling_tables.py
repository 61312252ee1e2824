"""The tables of `docs/scaling.md`, each recomputed from the law and the simulation."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from sluice_bench.scaling_campaign import Campaign, CampaignResult
from sluice_bench.scaling_device import Profile
from sluice_bench.scaling_law import (
    COSTS_MS,
    RECORDS,
    Cell,
    Fleet,
    gateways,
    partitions,
    replicas,
    saturation,
)
from sluice_common.messages.slots import CoverageClass

_LEVELS = (CoverageClass.LEVEL_0, CoverageClass.LEVEL_1, CoverageClass.LEVEL_2)
MIXES: Mapping[str, Sequence[float]] = {
    "good": (0.80, 0.18, 0.02),
    "mixed": (0.60, 0.30, 0.10),
    "deep indoor": (0.30, 0.40, 0.30),
}
"""Shares of the levels 0, 1 and 2 of a cell."""
SIMULATED = (100, 500)
"""Devices of the cells that are simulated; larger ones are left to the law."""
ALL_SIZES = (*SIMULATED, 2000)
FLEETS = (100_000, 1_000_000, 10_000_000)
CELL_SIZE = 500
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured here: how fast radio and devices are. Options of the command.

    Attributes:
        image: Bytes of the image.
        block: Bytes of a block.
        block_seconds: Seconds of a block in levels 0, 1 and 2.
        update: Seconds from Execute to the registration with the new version.
        seed: Of the spread of downloads and wake-ups.
    """

    image: int = 102_400
    block: int = 1_024
    block_seconds: tuple[float, float, float] = (1.0, 2.0, 10.0)
    update: float = 60.0
    seed: int = 1

    def profile(self, coverage: CoverageClass) -> Profile:
        """Return a device of a class."""
        blocks = -(-self.image // self.block)
        return Profile(coverage, blocks * self.block_seconds[_LEVELS.index(coverage)], self.update)

    def cell(self, devices: int, mix: str) -> Cell:
        """Return a cell with a mix; how long slots are held is what one device alone takes in the simulation."""
        alone = {c: Campaign([self.profile(c)]).run() for c in _LEVELS}
        held = {c: result.held[c][0] for c, result in alone.items()}
        lead = max(result.makespan() - held[c] for c, result in alone.items())
        return Cell(_shared(devices, mix), held, lead)


@cache
def simulate(assumptions: Assumptions, devices: int, mix: str, wake_every: float = 0.0) -> CampaignResult:
    """Run the campaign of one cell; downloads take up to a tenth more or less, and wake-ups are spread evenly."""
    chance = random.Random(assumptions.seed)
    profiles = [
        replace(
            profile,
            download=profile.download * chance.uniform(0.9, 1.1),
            wake_every=wake_every,
            first_wake=chance.uniform(0.0, wake_every),
        )
        for coverage, number in _shared(devices, mix).items()
        for profile in [assumptions.profile(coverage)] * number
    ]
    chance.shuffle(profiles)
    return Campaign(profiles).run()


def cost_table() -> str:
    """Return what an upgrade costs by part, and when one process of it is full."""
    rows = [
        (f"`{part}`", f"{cost:.1f} ms", f"{cost / 3.6:.1f} h", f"{saturation(part):,.0f}/s")
        for part, cost in COSTS_MS.items()
    ]
    total = sum(COSTS_MS.values())
    rows.append(("all", f"{total:.1f} ms", f"{total / 3.6:.1f} h", ""))
    return _table(("part", "CPU of one upgrade", "core hours of a million", "one process is full at"), rows)


def campaign_table(assumptions: Assumptions, sizes: Iterable[int] = ALL_SIZES) -> str:
    """Return how long the campaign of one cell takes: level by level by the law, and simulated."""
    rows = []
    for size in sizes:
        for mix in MIXES:
            cell = assumptions.cell(size, mix)
            levels = [_hours(cell.seconds(c)) for c in _LEVELS]
            simulated, asleep = "", ""
            if size in SIMULATED:
                simulated = _hours(simulate(assumptions, size, mix).makespan())
                asleep = _hours(simulate(assumptions, size, mix, wake_every=_HOUR).makespan())
            rows.append((f"{size:,}", mix, *levels, simulated, asleep))
    head = ("devices of the cell", "mix", "level 0", "level 1", "level 2", "simulated", "waking once an hour")
    return _table(head, rows)


def fleet_table(assumptions: Assumptions) -> str:
    """Return what fleets of three sizes ask for, and how many processes serve that."""
    rows = []
    for devices in FLEETS:
        fleet = Fleet(devices, assumptions.cell(CELL_SIZE, "mixed"))
        for what, rate in (("longest", fleet.mean), ("fastest", fleet.peak)):
            rows.append(_fleet_row(fleet, what, rate))
    head = ("devices", "for the", "upgrades a second", "Kafka records a second", "gateways")
    return _table((*head, "devices", "cells", "projector", "notifier", "partitions"), rows)


def _fleet_row(fleet: Fleet, what: str, rate: float) -> tuple[str, ...]:
    return (
        f"{fleet.devices:,}",
        f"{what} ({_hours(fleet.cell.seconds())})" if what == "longest" else what,
        f"{rate:,.1f}",
        f"{rate * RECORDS:,.0f}",
        str(gateways(fleet, rate)),
        *(str(replicas(rate, p)) for p in ("scheduler-devices", "scheduler-cells", "projector", "notifier")),
        str(partitions(fleet, rate)),
    )


def deviations(assumptions: Assumptions) -> dict[str, float]:
    """Return by how much the simulation of each cell takes longer than the law says, as a share."""
    found = {}
    for size in SIMULATED:
        for mix in MIXES:
            law = assumptions.cell(size, mix).seconds()
            found[f"{size} {mix}"] = round(simulate(assumptions, size, mix).makespan() / law - 1, 4)
    return found


def _shared(devices: int, mix: str) -> dict[CoverageClass, int]:
    shares = MIXES[mix]
    numbers = {c: round(devices * share) for c, share in zip(_LEVELS[1:], shares[1:], strict=True)}
    return {CoverageClass.LEVEL_0: devices - sum(numbers.values()), **numbers}


def _hours(seconds: float) -> str:
    if seconds < 2 * _HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / _HOUR:.1f} h"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("| --- ", "|---").replace("|--- |", "|---|")

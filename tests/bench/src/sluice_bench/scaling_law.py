"""The law of the windows, and what it makes of a fleet: pure figures, no simulation.

A cell lets `limit` devices of a class upgrade at once, so that n of them take ceil(n / limit) times the seconds that
one holds its slot. Everything else follows: how many upgrades a second a fleet asks for, and what that costs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sluice_bench.scaling_campaign import LIMITS
from sluice_common.messages.slots import CoverageClass

COSTS_MS: Mapping[str, float] = {
    "lwm2m-gateway": 5.2,
    "scheduler-devices": 4.4,
    "notifier": 0.6,
    "scheduler-cells": 0.5,
    "relay": 0.2,
    "projector": 0.1,
    "api": 0.1,
}
"""CPU of one LwM2M upgrade by part, milliseconds: `./sluice bench upgrade`, as in `docs/benchmarks.md`."""
RECORDS = 46.1
"""Kafka records of one upgrade, from there."""
BUSY = 0.6
"""Share of a core that a process is planned to use: it has to catch up after a restart."""
DEVICES_PER_GATEWAY = 100_000
"""What a gateway reads again in its 60 s after a restart, and holds in about 1.1 GB (`docs/benchmarks.md`)."""
_ONE_ACTIVE = frozenset(("relay",))
"""Parts of which one works at a time, whatever stands by."""
_PARTITIONS = (12, 24, 48, 96, 192, 384, 768, 1536)


def campaign_seconds(devices: int, limit: int, slot: float, lead: float) -> float:
    """Return how long the devices of one window take.

    Args:
        devices: Their number.
        limit: Slots of the window.
        slot: Seconds that one holds its slot, with the time until the next one has it.
        lead: Seconds until the first has a slot.
    """
    return lead + math.ceil(devices / limit) * slot if devices else 0.0


@dataclass(frozen=True, slots=True)
class Cell:
    """The devices of one cell, by class, and for how long each holds its slot."""

    devices: Mapping[CoverageClass, int]
    slots: Mapping[CoverageClass, float]
    lead: float

    def seconds(self, coverage: CoverageClass | None = None) -> float:
        """Return how long one class takes, or all of them beside each other."""
        return max(
            campaign_seconds(number, LIMITS[c], self.slots[c], self.lead)
            for c, number in self.devices.items()
            if coverage in (None, c)
        )

    @property
    def peak(self) -> float:
        """Upgrades a second while all windows are full."""
        return sum(min(LIMITS[c], number) / self.slots[c] for c, number in self.devices.items())


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many devices in cells of one kind.

    Attributes:
        devices: Their number.
        cell: A cell.
    """

    devices: int
    cell: Cell

    @property
    def cells(self) -> float:
        """How many cells they are in."""
        return self.devices / sum(self.cell.devices.values())

    @property
    def peak(self) -> float:
        """Upgrades a second while all windows of all cells are full: one task for everybody, all at once."""
        return self.cells * self.cell.peak

    @property
    def mean(self) -> float:
        """Upgrades a second over the whole campaign: with less, the campaign takes longer than its windows do."""
        return self.devices / self.cell.seconds()


def replicas(rate: float, part: str) -> int:
    """Return the processes of a part that a rate (upgrades a second) keeps busy as planned."""
    return max(1, math.ceil(rate * COSTS_MS[part] / 1000 / BUSY))


def gateways(fleet: Fleet, rate: float) -> int:
    """Return the LwM2M gateways of a fleet: by processor or by what each holds, whichever is more."""
    return max(replicas(rate, "lwm2m-gateway"), math.ceil(fleet.devices / DEVICES_PER_GATEWAY))


def partitions(fleet: Fleet, rate: float) -> int:
    """Return the partitions of every topic: twice the largest number of processes that share one, so that it may grow.

    A gateway has one partition of its commands by its ordinal; a stage shares those of its topic.
    """
    most = max(gateways(fleet, rate), *(replicas(rate, part) for part in COSTS_MS if part not in _ONE_ACTIVE))
    return next((number for number in _PARTITIONS if number >= 2 * most), _PARTITIONS[-1])


def saturation(part: str) -> float:
    """Return the upgrades a second at which one process of a part uses a whole core."""
    return 1000 / COSTS_MS[part]

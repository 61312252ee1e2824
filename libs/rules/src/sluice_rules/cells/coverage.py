"""From what a device reports of its radio to the class of its window (R066–R076, D01–D03).

The class is the weaker of RSRP's and SINR's level. Whether a quantity is readable at all is for the caller to see.
"""

from dataclasses import dataclass

from sluice_common.messages.slots import CoverageClass

_LEVELS = (CoverageClass.LEVEL_0, CoverageClass.LEVEL_1, CoverageClass.LEVEL_2)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the levels 0, 1 and 2 of one radio quantity, and the highest plausible value (D01)."""

    level_0: float
    level_1: float
    level_2: float
    highest: float

    def level(self, value: float) -> int:
        """Return the level 0, 1 or 2; outside the three ranges or implausible counts as 2 (R071)."""
        if not self.level_2 <= value <= self.highest:
            return 2
        if value >= self.level_0:
            return 0
        return 1 if value >= self.level_1 else 2


@dataclass(frozen=True, slots=True)
class CoverageRules:
    """The bounds of both quantities.

    Attributes:
        rsrp: Bounds of the RSRP, dBm. 3GPP TS 36.133 reports an NRSRP of at most -44 dBm (§9.1.22.9).
        sinr: Bounds of the SINR, dB. 3GPP TS 36.133 reports an RS-SINR of at most 40 dB (§9.1.17.1).
    """

    rsrp: Bounds = Bounds(-105.0, -115.0, -125.0, -44.0)
    sinr: Bounds = Bounds(7.0, -3.0, -8.0, 40.0)

    def coverage_class(self, rsrp: float, sinr: float) -> CoverageClass:
        """Return the class of a device that reports both RSRP (dBm) and SINR (dB)."""
        return _LEVELS[max(self.rsrp.level(rsrp), self.sinr.level(sinr))]

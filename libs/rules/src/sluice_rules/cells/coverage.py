"""From what a device reports of its radio to the class of its window (R066–R076, D01–D03).

The class is the weaker of RSRP's and SINR's level. Whether a quantity is readable at all is for the caller to see.
"""

from sluice_common.messages.slots import CoverageClass
from sluice_rules.devices.rules import Bounds, Rules

_LEVELS = (CoverageClass.LEVEL_0, CoverageClass.LEVEL_1, CoverageClass.LEVEL_2)


def level(value: float, bounds: Bounds) -> int:
    """Return the level 0, 1 or 2 of one quantity; outside the three ranges or implausible counts as 2 (R071)."""
    if not bounds.level_2 <= value <= bounds.highest:
        return 2
    if value >= bounds.level_0:
        return 0
    return 1 if value >= bounds.level_1 else 2


def coverage_class(rsrp: float, sinr: float, rules: Rules) -> CoverageClass:
    """Return the class of a device that reports both RSRP (dBm) and SINR (dB)."""
    return _LEVELS[max(level(rsrp, rules.rsrp), level(sinr, rules.sinr))]

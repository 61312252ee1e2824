"""Radio coverage as a device reports it, and the class that follows from it.

The bounds are the platform's defaults (`RSRP` in dBm, `SINR` in dB), written down here once more and not imported:
the simulator judges the platform and must not inherit its mistakes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RadioClass(StrEnum):
    """Class of a cell window (R066–R076)."""

    LEVEL_0 = "level-0"
    LEVEL_1 = "level-1"
    LEVEL_2 = "level-2"
    CELL_ONLY = "cell-only"


LIMITS: Final = {
    RadioClass.LEVEL_0: 50,
    RadioClass.LEVEL_1: 10,
    RadioClass.LEVEL_2: 1,
    RadioClass.CELL_ONLY: 10,
}
"""Devices of one cell that may upgrade at once, by class (R072, R076)."""

Window = tuple[int, RadioClass]
"""Cell ID and class."""

# Highest plausible RSRP: top of the reporting range of 3GPP TS 36.133 §9.1.4. The SINR bound is generous.
_RSRP_DBM: Final = (-44, -105, -115, -125)
_SINR_DB: Final = (50, 7, -3, -8)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What `/4/0` of a device says.

    Attributes:
        rsrp: `/4/0/2`, dBm; None where the resource is missing.
        sinr: `/4/0/11`, dB; None where the resource is missing.
        cell_in_instance: Whether a Read of `/4/0` includes the cell ID (`/4/0/8`).
    """

    rsrp: int | None
    sinr: int | None
    cell_in_instance: bool = True


def radio_class(rsrp: int | None, sinr: int | None) -> RadioClass:
    """The class of a reading: the weaker level, 2 for anything implausible (R066–R071), else cell-only (D03)."""
    if rsrp is None or sinr is None:
        return RadioClass.CELL_ONLY
    weaker = max(_level(rsrp, _RSRP_DBM), _level(sinr, _SINR_DB))
    return (RadioClass.LEVEL_0, RadioClass.LEVEL_1, RadioClass.LEVEL_2)[weaker]


def _level(value: int, bounds: tuple[int, int, int, int]) -> int:
    top, level_0, level_1, _ = bounds
    if value > top or value < level_1:
        return 2
    return 0 if value >= level_0 else 1

"""Values that devices report, made safe: a device may answer with any type, size and nonsense."""

import math

from sluice_common.messages.device_events import RequestResult, ResourceValue

_LONGEST_VERSION = 128
_CELL_IDS = 1 << 28
"""Cell ids have 28 bits (OMA object 4, resource 8; 3GPP TS 36.331 CellIdentity)."""


def text(value: ResourceValue) -> str | None:
    """Return a version as text without padding, None if it is none."""
    if value is None or isinstance(value, bool):
        return None
    stripped = str(value).strip().strip("\0").strip()
    return stripped if 0 < len(stripped) <= _LONGEST_VERSION else None


def number(value: ResourceValue) -> float | None:
    """Return a finite number, None if it is none; devices send numbers as text, too."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: ResourceValue) -> int | None:
    """Return a whole number, None if it is none."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def cell_id(value: ResourceValue) -> int | None:
    """Return a cell id, None if it is none."""
    found = integer(value)
    return found if found is not None and 0 <= found < _CELL_IDS else None


def value_at(results: tuple[RequestResult, ...], path: str) -> ResourceValue:
    """Return the value that the device gave for a resource, None if it gave none."""
    for result in results:
        if result.ok and path in result.values:
            return result.values[path]
    return None

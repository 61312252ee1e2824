"""Values that devices report, made safe: a device may answer with any type, size and nonsense."""

import math

from msgspec.structs import replace

from sluice_common.messages.device_events import RequestResult, ResourceValue

_LONGEST_VERSION = 128
_INT64 = 1 << 63
_BEARERS = 256
"""More than OMA object 4, resource 0, has (0 to 50, in groups)."""
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
    """Return a whole number of 64 bits, None if it is none; no resource holds a longer one (OMA TS 1.1.1 §C)."""
    found = number(value)
    whole = int(found) if found is not None and found.is_integer() else None
    return whole if whole is not None and -_INT64 <= whole < _INT64 else None


def cell_id(value: ResourceValue) -> int | None:
    """Return a cell id, None if it is none."""
    found = integer(value)
    return found if found is not None and 0 <= found < _CELL_IDS else None


def bearer(value: ResourceValue) -> int | None:
    """Return a network bearer, None if it is none."""
    found = integer(value)
    return found if found is not None and 0 <= found < _BEARERS else None


def value_at(results: tuple[RequestResult, ...], path: str) -> ResourceValue:
    """Return the value that the device gave for a resource, None if it gave none."""
    for result in results:
        if result.ok and path in result.values:
            return result.values[path]
    return None


def failed_result(results: tuple[RequestResult, ...], error: str) -> RequestResult | None:
    """Return the answer by which a request has failed: the last one; None if there is no answer.

    Args:
        results: The answers, up to the first that failed.
        error: What is wrong with the value of an answer that was understood and accepted.
    """
    if not results:
        return None
    last = results[-1]
    return replace(last, error=error, values={}) if last.ok else last


def reason_params(refused: RequestResult | None) -> dict[str, str]:
    """Return what a reason tells of the answer that made it: code and path, and what was not understood of it."""
    if refused is None:
        return {}
    found = {"code": refused.code, "path": refused.path}
    if refused.error is None or not refused.code.startswith("2."):
        return found
    return {**found, "error": refused.error}

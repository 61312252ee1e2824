"""Anti-rollback: which versions a product must not go below, by the ordering that its versions follow.

An option of the product. The order is not read off the versions: `1.10` lies above `1.9` for one manufacturer and below
it for another. Without a minimum everything goes, downgrades too (R065). It leaves out what a device runs.
"""

import re
from itertools import zip_longest

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import AntiRollback, Ordering
from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import ReasonCode, reason_text

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_NUMERIC = re.compile(r"[Vv]?(\d+(?:\.\d+)*)", re.ASCII)


class VersionFormatError(ValueError):
    """The version has no place in the ordering; the text says why."""


def is_below(version: str, minimum: str, ordering: Ordering) -> bool:
    """Return whether a version lies below a minimum.

    Raises:
        VersionFormatError: One of them has no place in the ordering.
    """
    match ordering:
        case Ordering.SEMVER:
            return _semver(version) < _semver(minimum)
        case Ordering.NUMERIC:
            pairs = zip_longest(_numbers(version), _numbers(minimum), fillvalue=0)
            return next((one < other for one, other in pairs if one != other), False)
        case Ordering.LEXICAL:
            return version < minimum


def check_minimum(rule: AntiRollback) -> None:
    """Check that the minimum of a rule has a place in its ordering.

    Raises:
        InvalidError: It has none.
    """
    if rule.minimum_version is None:
        return
    try:
        is_below(rule.minimum_version, rule.minimum_version, rule.ordering)
    except VersionFormatError as error:
        raise InvalidError("anti_rollback.minimum_version", str(error), "version_not_comparable") from error


def rollback(version: str, rule: AntiRollback) -> Reason | None:
    """Return why a version must not be installed on devices of a product with this rule, None if it may."""
    if rule.minimum_version is None:
        return None
    params = {"version": version, "minimum": rule.minimum_version, "ordering": rule.ordering.value}
    try:
        below = is_below(version, rule.minimum_version, rule.ordering)
    except VersionFormatError:
        return Reason(code=ReasonCode.VERSION_NOT_COMPARABLE, params=params)
    return Reason(code=ReasonCode.VERSION_BELOW_MINIMUM, params=params) if below else None


def require_no_rollback(version: str, rule: AntiRollback) -> None:
    """Check that a version may be installed on devices of a product with this rule.

    Raises:
        ConflictError: It must not.
    """
    if (why := rollback(version, rule)) is not None:
        raise ConflictError(why.code.value, f"{reason_text(why.code, why.params)}.")


def _semver(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Return what orders as §11 says: a release above its pre-releases, numbers below words."""
    found = _SEMVER.fullmatch(version)
    if found is None:
        raise VersionFormatError(f"{version!r} is no semantic version such as 1.4.0 or 2.0.0-rc.1")
    *core, before = found.groups()
    words = before.split(".") if before else []
    parts = tuple((not w.isdigit(), int(w) if w.isdigit() else 0, w if not w.isdigit() else "") for w in words)
    return tuple(int(number) for number in core), not words, parts


def _numbers(version: str) -> list[int]:
    found = _NUMERIC.fullmatch(version)
    if found is None:
        raise VersionFormatError(f"{version!r} is not made of numbers and dots such as V1.0.10")
    return [int(number) for number in found[1].split(".")]

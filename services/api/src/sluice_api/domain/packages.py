"""Rules of packages: which may be used, and what is shown of those that must not. Signing verifies them."""

from collections.abc import Mapping
from typing import Any

from sluice_api.domain.public_keys import unusable as key_unusable
from sluice_common.reasons import ReasonCode, reason_text

DELETING = "DELETING"
"""Shown while a package is being deleted; what it was before stays in its document."""


def status_of(package: Mapping[str, Any]) -> str:
    """Return the status of a stored package as users see it."""
    return DELETING if package.get("deleting") else str(package["status"])


def unusable(package: Mapping[str, Any] | None, key: Mapping[str, Any] | None) -> ReasonCode | None:
    """Return why a package that was verified once must not be used now, None if it may.

    Args:
        package: As stored, None if it is not there any more.
        key: The key that verified it, likewise.
    """
    if package is None or package.get("deleting"):
        return ReasonCode.PACKAGE_DELETED
    return key_unusable(key)


def rejection(why: ReasonCode) -> dict[str, str]:
    """Return why the platform itself refuses a package, as it is stored and shown."""
    return {"code": why.value, "message": reason_text(why, {})}

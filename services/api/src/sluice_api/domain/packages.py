"""Rules of packages: which may be used, and what is shown of those that must not. Signing verifies them."""

from collections.abc import Mapping

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus, Package, PackageStatus, Product, Rejection
from sluice_api.domain.public_keys import why_unusable as why_key_unusable
from sluice_common.reasons import ReasonCode, reason_text

MIRRORED = ("device_type", "manufacturer", "model", "protocol")
"""Fields of its product that a package has too."""


def why_unusable(package: Package | None, key: KeyStatus | None) -> ReasonCode | None:
    """Return why a package that was verified once must not be used now, None if it may.

    Args:
        package: None if it is not there any more.
        key: Status of the key that verified it, None if that is not there any more.
    """
    if package is None or package.deleting:
        return ReasonCode.PACKAGE_DELETED
    return why_key_unusable(key)


def require_usable(package: Package, key: KeyStatus | None) -> None:
    """Check that a new task may use a package.

    Args:
        package: The package.
        key: Status of the key that verified it, None if that is not there any more.

    Raises:
        ConflictError: It is not verified, or revoked, or its key is gone.
    """
    why = why_key_unusable(key)
    if package.stored_status is PackageStatus.REVOKED or why is ReasonCode.KEY_REVOKED:
        raise ConflictError("package_revoked", "The public key that verified the package was revoked.")
    if package.status is not PackageStatus.VERIFIED:
        raise ConflictError("package_not_verified", f"The package is {package.status}, not VERIFIED.")
    if why is not None:
        raise ConflictError("package_not_verified", f"{reason_text(why, {})}.")


def require_same_product(given: Mapping[str, str | None], product: Product) -> None:
    """Check that what an upload says of its product is so (R027-R031).

    Raises:
        InvalidError: A field differs from the product's.
    """
    for name in MIRRORED:
        own = str(getattr(product, name))
        if given[name] is not None and given[name] != own:
            raise InvalidError(name, f"the product's is {own!r}", "product_mismatch")


def rejection(why: ReasonCode) -> Rejection:
    """Return why the platform itself refuses a package."""
    return Rejection(code=why.value, message=reason_text(why, {}))

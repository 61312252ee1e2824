"""Rules of packages: which may be used, and what is shown of those that must not. Signing verifies them."""

from collections.abc import Iterator, Mapping

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus, Package, PackageStatus, Product, Rejection
from sluice_api.domain.public_keys import why_unusable as why_key_unusable
from sluice_api.domain.versions import rollback
from sluice_common.messages.execution_events import Reason
from sluice_common.messages.package_events import SignedRelease
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


def why_version_refused(version: str, product: Product, *, is_signed: bool) -> Reason | None:
    """Return why devices of a product must not get a version, None if they may.

    Args:
        version: The version.
        product: The product, with the least version that it allows.
        is_signed: Whether the version is the word of who signed the package. That of who uploaded it is worth nothing
            where there is a least version: an old image under a new label would pass.
    """
    minimum = product.anti_rollback.minimum_version
    if (why := rollback(version, product.anti_rollback)) is not None:
        return why
    if minimum is None or is_signed or product.keeps_manifest_v1:
        return None
    return Reason(code=ReasonCode.MANIFEST_V1_NOT_ALLOWED, params={"minimum": minimum})


def require_version_allowed(package: Package, product: Product) -> None:
    """Check that a new task may bring a verified package to devices of its product.

    Raises:
        ConflictError: Its version must not be installed.
    """
    why = why_version_refused(package.version or "", product, is_signed=package.is_version_signed)
    if why is not None:
        raise ConflictError(why.code.value, f"{reason_text(why.code, why.params)}.")


def why_rejected(
    package: Package, product: Product | None, key: KeyStatus | None, release: SignedRelease | None
) -> Rejection | None:
    """Return why the platform refuses a package whose signature holds, None if it does not.

    Args:
        package: As it was uploaded.
        product: Its product, as it is now; None if that has been deleted.
        key: Status of the key whose signature holds. One that was deactivated while the package waited verifies
            nothing any more; one that is gone or revoked is for who comes afterwards.
        release: What is signed of manufacturer, models and version; None for a manifest without.
    """
    if key is KeyStatus.INACTIVE:
        return Rejection(code="key_inactive", message="The public key was deactivated before it verified the package.")
    for rejected in _differences(package, release):
        return rejected
    version = release.version if release else package.version
    if version is None:
        return Rejection(
            code="version_missing", message="Neither the form nor the signed manifest (v1) says a version."
        )
    why = why_version_refused(version, product, is_signed=release is not None) if product else None
    return None if why is None else Rejection(code=why.code.value, message=f"{reason_text(why.code, why.params)}.")


def _differences(package: Package, release: SignedRelease | None) -> Iterator[Rejection]:
    """Yield what is signed otherwise than the product, or the form that came with the package, has it."""
    if release is None:
        return
    if release.manufacturer != package.manufacturer:
        text = f"It is signed for manufacturer {release.manufacturer!r}, the product's is {package.manufacturer!r}."
        yield Rejection(code="signed_manufacturer_differs", message=text)
    if package.model not in release.models:
        text = f"It is signed for the models {', '.join(map(repr, release.models))}, not for {package.model!r}."
        yield Rejection(code="signed_model_differs", message=text)
    if package.version not in {None, release.version}:
        text = f"It is signed as version {release.version!r}, but was uploaded as {package.version!r}."
        yield Rejection(code="signed_version_differs", message=text)


def rejection(why: ReasonCode) -> Rejection:
    """Return why the platform itself refuses a package that it has verified once."""
    return Rejection(code=why.value, message=reason_text(why, {}))

"""Verifying a package: its archive goes through the rules of `domain.verification`."""

from collections.abc import Iterable
from typing import BinaryIO

from sluice_signing.application.ports import Archive
from sluice_signing.domain.keys import PublicKey
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.verification import PackageVerification, VerifiedPackage


def verify_package(
    archive: Archive, public_keys: Iterable[PublicKey], limits: PackageLimits, image_to: BinaryIO | None = None
) -> VerifiedPackage:
    """Verify a signed package (R023, R024, R046).

    Args:
        archive: The package.
        public_keys: The keys that are trusted for this package.
        limits: Bounds on the package.
        image_to: Gets the image as it is read. It must not be used unless this function returns.

    Raises:
        PackageRefusedError: The reason why it must not be used.
        OSError: It cannot be read, or the image cannot be written.
    """
    verification = PackageVerification(public_keys, limits)
    verification.read_directory(archive.entries)
    verification.read_manifest(b"".join(archive.pieces(verification.manifest_entry)))
    for entry in verification.entries:
        check = verification.open_entry(entry)
        for piece in archive.pieces(entry):
            check.update(piece)
            if image_to is not None and entry is verification.image:
                image_to.write(piece)
        check.finish()
    return verification.finish()

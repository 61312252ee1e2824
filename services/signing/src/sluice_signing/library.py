"""Sign and verify packages that are files; the library behind the tool and the verifying process.

Wires files and archives to the use cases, as `bootstrap` does for the service; works offline, on files of any size, in
little memory. Paths may have any characters (D10). Key pairs come from `sluice_signing.domain.keys`, their files from
`read_key` and `write_key_pair`.
"""

import os
import shutil
import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.adapters.files import appearing, opened
from sluice_signing.adapters.key_files import read_key, write_key_pair
from sluice_signing.application.inspect_package import Inspection, inspect_package
from sluice_signing.application.sign_package import append_manifest, check_unsigned, mark_names
from sluice_signing.application.verify_package import verify_package
from sluice_signing.domain.entry_rules import check_entries
from sluice_signing.domain.errors import NotAZipError
from sluice_signing.domain.keys import PublicKey, load_private_key
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.release import Release
from sluice_signing.domain.verification import VerifiedPackage

__all__ = [
    "extract_image",
    "inspect",
    "read_key",
    "sign",
    "signed_path",
    "verify",
    "write_key_pair",
]

_DEFAULT_LIMITS = PackageLimits()


def verify(
    package: Path | BinaryIO,
    public_keys: Iterable[PublicKey],
    *,
    limits: PackageLimits = _DEFAULT_LIMITS,
    image_to: BinaryIO | None = None,
) -> VerifiedPackage:
    """Verify a signed package (R023, R024, R046).

    Args:
        package: Path, or a seekable file that is left open.
        public_keys: The keys that are trusted for this package.
        limits: Bounds on the package.
        image_to: Gets the image as it is read. It must not be used unless this function returns.

    Raises:
        PackageRefusedError: The reason why it must not be used.
        OSError: The file cannot be read.
    """
    with opened(package) as file:
        return verify_package(ZipArchive(file, limits), public_keys, limits, image_to)


def extract_image(
    package: Path | BinaryIO,
    public_keys: Iterable[PublicKey],
    image: Path,
    *,
    limits: PackageLimits = _DEFAULT_LIMITS,
) -> VerifiedPackage:
    """Verify a signed package and write its image; the file appears only if all is well.

    Raises:
        PackageRefusedError: As `verify`.
        OSError: A file cannot be read or written.
    """
    with appearing(image) as temporary:
        return verify(package, public_keys, limits=limits, image_to=temporary)


def sign(
    package: Path,
    private_key_pem: bytes,
    passphrase: str,
    *,
    release: Release | None = None,
    limits: PackageLimits = _DEFAULT_LIMITS,
    signed_at: datetime | None = None,
) -> Path:
    """Sign a zip and return the path of the new ``xxx_signed.zip`` beside it (R043-R045).

    The original stays as it is, and who may read it may read the copy. An earlier signed package of the same name is
    replaced.

    Args:
        package: Path of the unsigned zip.
        private_key_pem: The private key's file.
        passphrase: What opens it.
        release: What the package is, which is signed too; None for a manifest of the first form, without it.
        limits: Bounds on the package; the platform will apply its own.
        signed_at: Time to write into the manifest; now, if left out.

    Raises:
        KeyRefusedError: The key is unusable or the passphrase wrong.
        PackageRefusedError: The package would be refused by the platform, or is signed already, or what it is does not
            have the form that is signed.
        OSError: A file cannot be read or written.
    """
    if package.suffix.casefold() != ".zip":
        raise NotAZipError
    key = load_private_key(private_key_pem, passphrase)
    signed = signed_path(package)
    with package.open("rb") as original, appearing(signed, mode=_permissions(original)) as copy:
        shutil.copyfileobj(original, copy)
        archive = ZipArchive(copy, limits)
        check_unsigned(archive.entries, limits)
        mark_names(copy, archive)
        append_manifest(copy, archive, key, signed_at or datetime.now(UTC), release)
        check_entries(ZipArchive(copy, limits).entries, limits)  # the manifest counts, too
    return signed


def _permissions(file: BinaryIO) -> int:
    """Return who may read and write a file: what is nobody else's business stays so."""
    return stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o666


def signed_path(package: Path) -> Path:
    """Return where the signed form of a package is written: ``a.zip`` → ``a_signed.zip``."""
    return package.with_name(f"{package.stem}_signed{package.suffix}")


def inspect(package: Path, *, limits: PackageLimits = _DEFAULT_LIMITS) -> Inspection:
    """Return what a package says of itself, without verifying it.

    Raises:
        PackageRefusedError: It has a forbidden form.
        OSError: The file cannot be read.
    """
    with package.open("rb") as file:
        return inspect_package(ZipArchive(file, limits), limits)

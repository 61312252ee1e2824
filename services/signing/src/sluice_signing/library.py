"""Sign and verify packages that are files; the library behind the tool and the service.

Works offline, on files of any size, in little memory. Paths may have any characters (D10). Key
pairs come from `sluice_signing.domain.keys`; where keys are kept is the caller's business.
"""

import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sluice_signing.adapters.archive import Archive
from sluice_signing.domain.content import ContentDigest
from sluice_signing.domain.entry_rules import check_entries, find_image
from sluice_signing.domain.errors import AlreadySignedError, NotAZipError
from sluice_signing.domain.keys import PrivateKey, PublicKey, load_private_key
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import MANIFEST_NAME, Manifest, ManifestEntry, seal
from sluice_signing.domain.verification import PackageVerification, VerifiedPackage
from sluice_signing.domain.zip_layout import (
    Directory,
    Entry,
    end_record,
    stored_entry,
    stored_entry_record,
)

_DEFAULT_LIMITS = PackageLimits()
_DOS_FIRST = datetime(1980, 1, 1, tzinfo=UTC)
_DOS_LAST = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)


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
    with _opened(package) as file:
        archive = Archive(file, limits)
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
    with _appearing(image) as temporary:
        return verify(package, public_keys, limits=limits, image_to=temporary)


def sign(
    package: Path,
    private_key_pem: bytes,
    passphrase: str,
    *,
    limits: PackageLimits = _DEFAULT_LIMITS,
    signed_at: datetime | None = None,
) -> Path:
    """Sign a zip and return the path of the new ``xxx_signed.zip`` beside it (R043-R045).

    The original stays as it is. An earlier signed package of the same name is replaced.

    Args:
        package: Path of the unsigned zip.
        private_key_pem: The private key's file.
        passphrase: What opens it.
        limits: Bounds on the package; the platform will apply its own.
        signed_at: Time to write into the manifest; now, if left out.

    Raises:
        KeyRefusedError: The key is unusable or the passphrase wrong.
        PackageRefusedError: The package would be refused by the platform, or is signed already.
        OSError: A file cannot be read or written.
    """
    if package.suffix.casefold() != ".zip":
        raise NotAZipError
    key = load_private_key(private_key_pem, passphrase)
    signed = signed_path(package)
    with _appearing(signed) as copy, package.open("rb") as original:
        shutil.copyfileobj(original, copy)
        archive = Archive(copy, limits)
        check_unsigned(archive.entries, limits)
        append_manifest(copy, archive, key, signed_at or datetime.now(UTC))
        check_entries(Archive(copy, limits).entries, limits)  # the manifest counts, too
    return signed


def signed_path(package: Path) -> Path:
    """Return where the signed form of a package is written: ``a.zip`` → ``a_signed.zip``."""
    return package.with_name(f"{package.stem}_signed{package.suffix}")


def check_unsigned(entries: tuple[Entry, ...], limits: PackageLimits) -> None:
    """Check that a package may be signed: unsigned, and acceptable to the platform afterwards.

    Raises:
        PackageRefusedError: It may not.
    """
    check_entries(entries, limits)
    if any(entry.name == MANIFEST_NAME for entry in entries):
        raise AlreadySignedError
    find_image(entries)


def append_manifest(file: BinaryIO, archive: Archive, key: PrivateKey, signed_at: datetime) -> None:
    """Append the signed manifest of an archive to its file; every byte of its entries stays.

    Only the directory moves: its records are kept, and one is added. Rules are not checked here.

    Args:
        file: The archive's file, open for reading and writing.
        archive: The archive as read from it.
        key: The key to sign with.
        signed_at: Time of signing, aware.
    """
    manifest = Manifest(
        algorithm=key.public.algorithm.name,
        key_id=key.public.key_id,
        signed_at=signed_at.astimezone(UTC).replace(microsecond=0),
        entries=tuple(_manifest_entry(archive, entry) for entry in archive.entries),
    )
    envelope = seal(manifest, key)
    crc32, moment = zlib.crc32(envelope), _dos_time(manifest.signed_at)
    directory = archive.directory
    file.seek(directory.offset)
    records = file.read(directory.size) + stored_entry_record(
        MANIFEST_NAME, len(envelope), crc32, moment, directory.offset
    )
    file.seek(directory.offset)
    file.write(stored_entry(MANIFEST_NAME, envelope, crc32, moment))
    moved = Directory(file.tell(), len(records), directory.entries + 1)
    file.write(records + end_record(moved))


def _manifest_entry(archive: Archive, entry: Entry) -> ManifestEntry:
    digest = ContentDigest(entry.name)
    for piece in archive.pieces(entry):
        digest.update(piece)
    return ManifestEntry(name=entry.name, size=entry.size, sha256=digest.finish())


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Return MS-DOS time and date (APPNOTE §4.4.6) of a moment, or of the nearest that they can tell."""
    moment = min(max(moment, _DOS_FIRST), _DOS_LAST)  # a clock without battery begins in 1970
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return time, date


@contextmanager
def _opened(package: Path | BinaryIO) -> Iterator[BinaryIO]:
    with package.open("rb") if isinstance(package, Path) else nullcontext(package) as file:
        yield file


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when the block ends well, and never otherwise."""
    temporary = path.with_name(f".{path.stem[:64]}-{secrets.token_hex(8)}")
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

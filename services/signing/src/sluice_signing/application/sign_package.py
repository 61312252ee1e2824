"""Signing a package: what may be signed, and the manifest that is appended."""

import zlib
from datetime import UTC, datetime
from typing import BinaryIO

from sluice_signing.application.ports import Archive
from sluice_signing.domain.content import ContentDigest
from sluice_signing.domain.entry_rules import check_entries, find_image, with_marked_names
from sluice_signing.domain.errors import AlreadySignedError
from sluice_signing.domain.keys import PrivateKey
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import MANIFEST_NAME, ManifestEntry, make_manifest, seal
from sluice_signing.domain.release import Release
from sluice_signing.domain.zip_layout import Directory, Entry
from sluice_signing.domain.zip_writing import changed_fields, end_record, stored_entry, stored_entry_record

_DOS_FIRST = datetime(1980, 1, 1, tzinfo=UTC)
_DOS_LAST = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)


def check_unsigned(entries: tuple[Entry, ...], limits: PackageLimits) -> None:
    """Check that a package may be signed: unsigned, and acceptable to the platform afterwards.

    Raises:
        PackageRefusedError: It may not.
    """
    check_entries(with_marked_names(entries), limits)
    if any(entry.name == MANIFEST_NAME for entry in entries):
        raise AlreadySignedError
    find_image(entries)


def mark_names(file: BinaryIO, archive: Archive) -> None:
    """Mark names beyond ASCII as the UTF-8 that they are, in a way that all readers understand.

    Args:
        file: The archive's file, open for reading and writing.
        archive: The archive as read from it; what it says of flags and hosts is as before.
    """
    file.seek(archive.directory.offset)
    directory = file.read(archive.directory.size)
    pairs = zip(archive.entries, with_marked_names(archive.entries), strict=True)
    for offset, value in changed_fields(directory, archive.directory.offset, pairs):
        file.seek(offset)
        file.write(value)


def append_manifest(
    file: BinaryIO, archive: Archive, key: PrivateKey, signed_at: datetime, release: Release | None = None
) -> None:
    """Append the signed manifest of an archive to its file; every byte of its entries stays.

    Only the directory moves: its records are kept, and one is added. Rules are not checked here.

    Args:
        file: The archive's file, open for reading and writing.
        archive: The archive as read from it.
        key: The key to sign with.
        signed_at: Time of signing, aware.
        release: What the package is; None for a manifest of the first form, which does not say it.

    Raises:
        BadReleaseError: What the package is does not have the form that is signed.
    """
    manifest = make_manifest(
        algorithm=key.public.algorithm.name,
        key_id=key.public.key_id,
        signed_at=signed_at.astimezone(UTC).replace(microsecond=0),
        entries=tuple(_manifest_entry(archive, entry) for entry in archive.entries),
        release=release,
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

"""Checks what stands around the data of a zip's entries: local headers, data descriptors, no gaps (APPNOTE §4.3)."""

from sluice_signing.domain.errors import BrokenZipError, ExtraDataError, OverlappingEntriesError, UnsupportedZipError
from sluice_signing.domain.extra_fields import check_extra_fields
from sluice_signing.domain.zip_layout import (
    DEFLATED,
    DESCRIPTOR,
    DESCRIPTOR_SIGNATURE,
    FLAG_DESCRIPTOR,
    FLAG_HINTS,
    LOCAL,
    LOCAL_BYTES,
    LOCAL_SIGNATURE,
    MAX_DESCRIPTOR_BYTES,
    MAX_NEEDED,
    ZIP64_SIZE,
    Entry,
)


def local_name_and_extra_bytes(header: bytes, entry: Entry) -> tuple[int, int]:
    """Return the lengths in bytes of what follows the fixed part of an entry's local header.

    Raises:
        BrokenZipError: There is no local header, or it contradicts the directory.
        UnsupportedZipError: It needs more of the format than packages may use.
    """
    if len(header) < LOCAL_BYTES or not header.startswith(LOCAL_SIGNATURE):
        raise BrokenZipError(detail=f"entry {entry.name!r} does not begin where it should")
    _, needed, flags, method, _, _, *sizes, name_bytes, extra_bytes = LOCAL.unpack(header)
    if needed > MAX_NEEDED:
        raise UnsupportedZipError(feature=f"version {needed / 10:g} of the zip format")
    if ZIP64_SIZE in sizes[1:]:
        raise UnsupportedZipError(feature="ZIP64 records")
    listed = [entry.crc32, entry.compressed_size, entry.size]
    # Info-ZIP and libarchive know the content's size before they write, but not what it shrinks to.
    deferred = bool(entry.flags & FLAG_DESCRIPTOR) and all(
        size in {0, known} for size, known in zip(sizes, listed, strict=True)
    )
    # 7-Zip forgives other hints in the local header where they mean something, and nowhere else.
    forgiven = FLAG_HINTS if entry.method == DEFLATED else 0
    same_flags = (flags ^ entry.flags) & ~forgiven == 0
    if method != entry.method or not same_flags or not (deferred or sizes == listed):
        raise _contradiction(entry)
    return name_bytes, extra_bytes


def check_local_name_and_extra(name: bytes, extra: bytes, entry: Entry) -> None:
    """Check what follows the fixed part of an entry's local header.

    Args:
        name: The name there.
        extra: The extra fields there.
        entry: The entry.

    Raises:
        PackageRefusedError: The name is not the directory's, or a field may not be there.
    """
    if name != entry.name.encode():
        raise _contradiction(entry)
    check_extra_fields(extra, entry.name)


def _contradiction(entry: Entry) -> BrokenZipError:
    return BrokenZipError(detail=f"entry {entry.name!r} contradicts the directory")


def descriptor_bytes(following: bytes, entry: Entry) -> int:
    """Return the length in bytes of the data descriptor behind an entry's data, 0 without one.

    Args:
        following: Up to `MAX_DESCRIPTOR_BYTES` bytes from behind the data.
        entry: The entry.

    Raises:
        BrokenZipError: There should be one, but it is missing or contradicts the directory.
    """
    if not entry.flags & FLAG_DESCRIPTOR:
        return 0
    expected = DESCRIPTOR.pack(entry.crc32, entry.compressed_size, entry.size)
    if following.startswith(DESCRIPTOR_SIGNATURE + expected):
        return MAX_DESCRIPTOR_BYTES
    if following.startswith(expected):  # the signature is optional (APPNOTE §4.3.9.3)
        return len(expected)
    raise _contradiction(entry)


def check_adjacent(position: int, start: int, what: str) -> None:
    """Check that a record begins where the one before it ended.

    Args:
        position: Where the last record ended.
        start: Where this one begins.
        what: Name of this one.

    Raises:
        OverlappingEntriesError: It begins earlier.
        ExtraDataError: It begins later.
    """
    if start < position:
        raise OverlappingEntriesError(name=what)
    if start > position:
        raise ExtraDataError(detail=f"{start - position} bytes before {what!r}")

"""Reads and checks the end record and the central directory of a zip (APPNOTE §4.3.12, §4.3.16)."""

from sluice_signing.domain.errors import (
    BrokenZipError,
    CommentError,
    ConcatenatedZipError,
    EntryCommentError,
    ExtraDataError,
    NameEncodingError,
    NotAZipError,
    TooBigError,
    TooManyEntriesError,
    UnsupportedZipError,
)
from sluice_signing.domain.extra_fields import check_extra_fields
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.zip_layout import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END_BYTES,
    END_SIGNATURE,
    LOCAL_SIGNATURE,
    MODE_SHIFT,
    ZIP64_LOCATOR_BYTES,
    ZIP64_LOCATOR_SIGNATURE,
    ZIP64_SIZE,
    Directory,
    Entry,
)

_ZIP64_ENTRIES = 0xFFFF
_DOS_ATTRIBUTES = 0xFFFF
_HOST_SHIFT = 8


def parse_end(head: bytes, tail: bytes, archive_bytes: int, limits: PackageLimits) -> Directory:
    """Find the directory through the end record, which has to be the last 22 bytes.

    Args:
        head: The archive's first bytes.
        tail: Its last `MAX_TAIL_BYTES`, or all of it.
        archive_bytes: Its size in bytes.
        limits: Bounds on the directory.

    Raises:
        PackageRefusedError: It is no zip, ends early, has data outside, or exceeds a bound.
    """
    end = tail[-END_BYTES:]
    if not end.startswith(END_SIGNATURE) or len(end) < END_BYTES:
        raise _missing_end(head, tail)
    _, disk, directory_disk, here, entries, size, offset, comment = END.unpack(end)
    if disk or directory_disk or here != entries:
        raise UnsupportedZipError(feature="several volumes")
    locator = tail[-END_BYTES - ZIP64_LOCATOR_BYTES : -END_BYTES]
    if locator.startswith(ZIP64_LOCATOR_SIGNATURE) or _is_zip64(entries, size, offset):
        raise UnsupportedZipError(feature="ZIP64 records")
    if entries > limits.max_entries:
        raise TooManyEntriesError(entries=entries, limit=limits.max_entries)
    if size > limits.max_directory_bytes:
        raise TooBigError(part="zip directory", size=size, limit=limits.max_directory_bytes)
    surplus = archive_bytes - END_BYTES - size - offset
    if surplus < 0 or comment:
        raise BrokenZipError(detail="its end record does not fit the file")
    if surplus > 0 and head.startswith(LOCAL_SIGNATURE):
        raise ConcatenatedZipError
    if surplus > 0:
        raise ExtraDataError(detail=f"{surplus} bytes that no record accounts for")
    return Directory(offset, size, entries)


def _missing_end(head: bytes, tail: bytes) -> Exception:
    found = tail.rfind(END_SIGNATURE)
    if found >= 0:
        surplus = len(tail) - found - END_BYTES
        if surplus > 0 and _comment_bytes(tail, found) == surplus:
            return CommentError(size=surplus)
        if surplus > 0:
            return ExtraDataError(detail=f"{surplus} bytes after its end")
        return BrokenZipError(detail="it ends in the middle of its end record")
    if head.startswith(LOCAL_SIGNATURE):
        return BrokenZipError(detail="it ends early, before its directory")
    return NotAZipError()


def _comment_bytes(tail: bytes, end: int) -> int:
    """Return the length in bytes of the comment that the end record at this position announces."""
    return int.from_bytes(tail[end + END_BYTES - 2 : end + END_BYTES], "little")


def _is_zip64(entries: int, *sizes: int) -> bool:
    return entries == _ZIP64_ENTRIES or ZIP64_SIZE in sizes


def parse_directory(raw: bytes, directory: Directory) -> tuple[Entry, ...]:
    """Return the entries in the order of the directory.

    Raises:
        PackageRefusedError: A record is cut off, is of another kind, needs ZIP64, or has what no record may have.
    """
    entries = []
    position = 0
    for _ in range(directory.entries):
        entry, position = _parse_central(raw, position)
        entries.append(entry)
    if position != len(raw):
        raise BrokenZipError(detail="its directory is longer than its entries")
    return tuple(entries)


def _parse_central(raw: bytes, position: int) -> tuple[Entry, int]:
    record = raw[position : position + CENTRAL.size]
    if len(record) < CENTRAL.size or not record.startswith(CENTRAL_SIGNATURE):
        raise BrokenZipError(detail="its directory is damaged")
    fields = CENTRAL.unpack(record)
    made_by, needed, flags, method, crc32, compressed_size, size = (*fields[1:5], *fields[7:10])
    name_bytes, extra_bytes, comment_bytes, disk, _, attributes, offset = fields[10:]
    name_at = position + CENTRAL.size
    extra_at = name_at + name_bytes
    end = extra_at + extra_bytes + comment_bytes
    if end > len(raw) or disk:
        raise BrokenZipError(detail="its directory is damaged")
    if _is_zip64(0, compressed_size, size, offset):
        raise UnsupportedZipError(feature="ZIP64 records")
    name = _decoded(raw[name_at:extra_at])
    if comment_bytes:
        raise EntryCommentError(name=name, size=comment_bytes)
    check_extra_fields(raw[extra_at : extra_at + extra_bytes], name)
    entry = Entry(
        name=name,
        host=made_by >> _HOST_SHIFT,
        needed=needed,
        flags=flags,
        method=method,
        crc32=crc32,
        compressed_size=compressed_size,
        size=size,
        mode=attributes >> MODE_SHIFT,
        dos_attributes=attributes & _DOS_ATTRIBUTES,
        header_offset=offset,
    )
    return entry, end


def _decoded(raw: bytes) -> str:
    # Without the UTF-8 flag names are CP 437 by the letter, but zip tools write UTF-8 then as well; `entry_rules` says
    # whether that may be. Names in older code pages would read differently elsewhere and are refused.
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise NameEncodingError(name=raw) from error

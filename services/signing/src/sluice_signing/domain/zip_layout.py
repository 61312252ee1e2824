"""The zip format as packages may use it: records to values, and checks that leave no doubt.

The strict subset of PKWARE's APPNOTE 6.3.10 that ordinary zip tools write: one volume, no ZIP64, no
comments, no extra fields but those of times and owners, entries one after the other from the first
byte to the directory. Whatever two readers could understand differently is refused, so that what
was signed is what everybody sees.
Reading bytes from files, inflating, and rules about names and contents are found elsewhere.
"""

import struct
from dataclasses import dataclass

from sluice_signing.domain.errors import (
    BrokenZipError,
    CommentError,
    ConcatenatedZipError,
    EntryCommentError,
    ExtraDataError,
    NameEncodingError,
    NotAZipError,
    OverlappingEntriesError,
    TooBigError,
    TooManyEntriesError,
    UnsupportedZipError,
)
from sluice_signing.domain.extra_fields import check_extra_fields
from sluice_signing.domain.limits import PackageLimits

STORED = 0
DEFLATED = 8
FLAG_ENCRYPTED = 0x0001
FLAG_HINTS = 0x0006
"""How hard the compressor tried; no reader needs it."""
FLAG_DESCRIPTOR = 0x0008
"""Sizes and checksum follow the data instead of standing in the local header (APPNOTE §4.3.9)."""
FLAG_STRONG_ENCRYPTION = 0x0040
FLAG_UTF8 = 0x0800
FLAG_MASKED_HEADERS = 0x2000

END = struct.Struct("<4s4H2LH")
CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<3L")
LOCAL_SIGNATURE = b"PK\x03\x04"
END_SIGNATURE = b"PK\x05\x06"
CENTRAL_SIGNATURE = b"PK\x01\x02"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
ZIP64_LOCATOR_SIGNATURE = b"PK\x06\x07"
ZIP64_LOCATOR_BYTES = 20
_ZIP64_COUNT = 0xFFFF
_ZIP64_SIZE = 0xFFFFFFFF
_VERSION_DEFLATE = 20
_UNIX = 3
_MODE_SHIFT = 16
_DOS_MASK = 0xFF

END_BYTES = END.size
LOCAL_BYTES = _LOCAL.size
MAX_DESCRIPTOR_BYTES = len(DESCRIPTOR_SIGNATURE) + _DESCRIPTOR.size
MAX_TAIL_BYTES = END_BYTES + 0xFFFF
"""As far from the end as the end record can lie behind a comment."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies.

    Attributes:
        offset: Its first byte in the archive.
        size: Its length in bytes.
        entries: How many entries it lists.
    """

    offset: int
    size: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as the central directory lists it.

    Attributes:
        name: Path inside the archive.
        flags: General purpose flags (APPNOTE §4.4.4).
        method: Compression method (§4.4.5).
        crc32: CRC-32 of the content.
        compressed_size: Bytes in the archive.
        size: Bytes of the content.
        mode: Unix file type and permissions, 0 where unknown.
        dos_attributes: MS-DOS file attributes, 0 where unknown.
        header_offset: First byte of the local header.
    """

    name: str
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    mode: int
    dos_attributes: int
    header_offset: int


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
    return entries == _ZIP64_COUNT or _ZIP64_SIZE in sizes


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
    flags, method, crc32, compressed_size, size = (*fields[3:5], *fields[7:10])
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
        flags=flags,
        method=method,
        crc32=crc32,
        compressed_size=compressed_size,
        size=size,
        mode=attributes >> _MODE_SHIFT,
        dos_attributes=attributes & _DOS_MASK,
        header_offset=offset,
    )
    return entry, end


def _decoded(raw: bytes) -> str:
    # Without the UTF-8 flag names are CP 437 by the letter, but zip tools write UTF-8 then as
    # well. Names in older code pages would read differently elsewhere and are refused.
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise NameEncodingError(name=raw) from error


def local_name_and_extra_bytes(header: bytes, entry: Entry) -> tuple[int, int]:
    """Return the lengths in bytes of what follows the fixed part of an entry's local header.

    Raises:
        BrokenZipError: There is no local header, or it contradicts the directory.
    """
    if len(header) < LOCAL_BYTES or not header.startswith(LOCAL_SIGNATURE):
        raise BrokenZipError(detail=f"entry {entry.name!r} does not begin where it should")
    _, _, flags, method, _, _, *sizes, name_bytes, extra_bytes = _LOCAL.unpack(header)
    if _ZIP64_SIZE in sizes[1:]:
        raise UnsupportedZipError(feature="ZIP64 records")
    listed = [entry.crc32, entry.compressed_size, entry.size]
    # Info-ZIP and libarchive know the content's size before they write, but not what it shrinks to.
    deferred = bool(entry.flags & FLAG_DESCRIPTOR) and all(
        size in {0, known} for size, known in zip(sizes, listed, strict=True)
    )
    same_flags = (flags ^ entry.flags) & ~FLAG_HINTS == 0
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
    expected = _DESCRIPTOR.pack(entry.crc32, entry.compressed_size, entry.size)
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


def stored_entry(name: str, content: bytes, crc32: int, moment: tuple[int, int]) -> bytes:
    """Return local header and data of an uncompressed file.

    Args:
        name: Path inside the archive.
        content: The file.
        crc32: Its CRC-32.
        moment: MS-DOS time and date (APPNOTE §4.4.6).
    """
    raw = name.encode()
    header = _LOCAL.pack(
        LOCAL_SIGNATURE,
        _VERSION_DEFLATE,
        FLAG_UTF8,
        STORED,
        *moment,
        crc32,
        len(content),
        len(content),
        len(raw),
        0,
    )
    return header + raw + content


def stored_entry_record(name: str, size: int, crc32: int, moment: tuple[int, int], offset: int) -> bytes:
    """Return the directory's record of an uncompressed file; arguments as for `stored_entry`."""
    raw = name.encode()
    record = CENTRAL.pack(
        CENTRAL_SIGNATURE,
        _UNIX << 8 | _VERSION_DEFLATE,
        _VERSION_DEFLATE,
        FLAG_UTF8,
        STORED,
        *moment,
        crc32,
        size,
        size,
        len(raw),
        0,
        0,
        0,
        0,
        0o100644 << _MODE_SHIFT,
        offset,
    )
    return record + raw


def end_record(directory: Directory) -> bytes:
    """Return the end record of an archive with this directory."""
    entries = directory.entries
    return END.pack(END_SIGNATURE, 0, 0, entries, entries, directory.size, directory.offset, 0)

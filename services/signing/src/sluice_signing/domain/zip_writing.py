"""Writes the records of an uncompressed entry, and the end record behind it."""

from collections.abc import Iterable, Iterator

from sluice_signing.domain.zip_layout import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END_SIGNATURE,
    FLAG_UTF8,
    LOCAL,
    LOCAL_SIGNATURE,
    MAX_NEEDED,
    MODE_SHIFT,
    STORED,
    Directory,
    Entry,
)

_MADE_ON_UNIX = 3
_LOCAL_FLAGS, _CENTRAL_FLAGS, _CENTRAL_HOST = 6, 8, 5
"""Where these fields lie in a record."""
_CENTRAL_LENGTHS = slice(10, 13)
"""Lengths of name, extra fields and comment, among a directory record's fields."""


def stored_entry(name: str, content: bytes, crc32: int, moment: tuple[int, int]) -> bytes:
    """Return local header and data of an uncompressed file.

    Args:
        name: Path inside the archive.
        content: The file.
        crc32: Its CRC-32.
        moment: MS-DOS time and date (APPNOTE §4.4.6).
    """
    raw = name.encode()
    header = LOCAL.pack(
        LOCAL_SIGNATURE,
        MAX_NEEDED,
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
        _MADE_ON_UNIX << 8 | MAX_NEEDED,
        MAX_NEEDED,
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
        0o100644 << MODE_SHIFT,
        offset,
    )
    return record + raw


def changed_fields(directory: bytes, offset: int, pairs: Iterable[tuple[Entry, Entry]]) -> Iterator[tuple[int, bytes]]:
    """Yield where in an archive, in headers and directory, other bytes stand when flags and hosts of entries change.

    Args:
        directory: The checked directory.
        offset: Its first byte in the archive.
        pairs: Its entries as they are and as they shall be.
    """
    record = 0
    for before, after in pairs:
        if before != after:
            flags = after.flags.to_bytes(2, "little")
            yield before.header_offset + _LOCAL_FLAGS, flags
            yield offset + record + _CENTRAL_FLAGS, flags
            yield offset + record + _CENTRAL_HOST, bytes((after.host,))
        record += CENTRAL.size + sum(CENTRAL.unpack_from(directory, record)[_CENTRAL_LENGTHS])


def end_record(directory: Directory) -> bytes:
    """Return the end record of an archive with this directory."""
    entries = directory.entries
    return END.pack(END_SIGNATURE, 0, 0, entries, entries, directory.size, directory.offset, 0)

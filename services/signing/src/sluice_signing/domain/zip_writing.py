"""Writes the records of an uncompressed entry, and the end record behind it."""

from sluice_signing.domain.zip_layout import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END_SIGNATURE,
    FLAG_UTF8,
    LOCAL,
    LOCAL_SIGNATURE,
    MODE_SHIFT,
    STORED,
    Directory,
)

_VERSION = 20
"""Of the format that readers need: 2.0, with folders and deflate (APPNOTE §4.4.3)."""
_MADE_ON_UNIX = 3


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
        _VERSION,
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
        _MADE_ON_UNIX << 8 | _VERSION,
        _VERSION,
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


def end_record(directory: Directory) -> bytes:
    """Return the end record of an archive with this directory."""
    entries = directory.entries
    return END.pack(END_SIGNATURE, 0, 0, entries, entries, directory.size, directory.offset, 0)

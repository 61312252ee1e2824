"""The extra fields of zip entries (APPNOTE §4.5): those that tell times and owners, and no others.

Some extra fields give an entry another name, size or kind than its header does, to the readers that know
them. What is not known to be harmless is refused therefore. Of values, names are looked at, and times: `jar` gives up
where one lies before 1970.
"""

import struct
from collections.abc import Iterator
from zlib import crc32

from sluice_signing.domain.errors import ExtraFieldError, UnsupportedZipError

MAX_EXTRA_BYTES = 512
"""Room for every harmless field beside a Unicode path of the longest name; more could hide something."""

_HEAD = struct.Struct("<2H")
_UNIX_TIME = struct.Struct("<l")
"""Seconds since 1970, behind a byte of flags."""
_NTFS = struct.Struct("<LHH3q")
"""Reserved, the attribute's tag and size, and its times in 100 ns since 1601 (APPNOTE §4.5.5)."""
_NTFS_1970 = 116_444_736_000_000_000
_PATH_HEAD = struct.Struct("<BL")
_PATH_VERSION = 1
_ZIP64 = 0x0001
_UNICODE_PATH = 0x7075
_NTFS_TIMES = 0x000A
_UNIX_TIMES = 0x5455
_HARMLESS = frozenset(
    {
        _NTFS_TIMES,
        _UNIX_TIMES,  # Info-ZIP
        0x5855,  # Info-ZIP, old: times and owner
        0x7855,  # Info-ZIP, old: owner
        0x7875,  # Info-ZIP: owner
        0xCAFE,  # Java: this is a jar
    }
)


def check_extra_fields(raw: bytes, name: str) -> None:
    """Check the extra fields of a local header or of a directory's record.

    Args:
        raw: All of them.
        name: The entry's name.

    Raises:
        UnsupportedZipError: There is one of ZIP64.
        ExtraFieldError: They are too long or cut off, or one may change what the entry is.
    """
    if len(raw) > MAX_EXTRA_BYTES:
        raise ExtraFieldError(name=name, rule=f"{len(raw)} bytes are more than {MAX_EXTRA_BYTES}")
    for kind, data in _fields(raw, name):
        if kind == _ZIP64:
            raise UnsupportedZipError(feature="ZIP64 records")
        if kind == _UNICODE_PATH and data != _path(name):
            raise ExtraFieldError(name=name, rule="one gives it another name")
        if any(time < 0 for time in _times(kind, data)):
            raise ExtraFieldError(name=name, rule="a time in one lies before 1970")
        if kind not in _HARMLESS | {_UNICODE_PATH}:
            raise ExtraFieldError(name=name, rule=f"type {kind:#06x} is not one of times or owners")


def _times(kind: int, data: bytes) -> Iterator[int]:
    """Yield the times of a field, negative before 1970; of NTFS's, access and creation may be 0, which is none."""
    if kind == _UNIX_TIMES:
        yield from (time for (time,) in _UNIX_TIME.iter_unpack(data[1 : 1 + len(data[1:]) // 4 * 4]))
    elif kind == _NTFS_TIMES and len(data) >= _NTFS.size:
        changed, *others = _NTFS.unpack_from(data)[-3:]
        yield from (time - _NTFS_1970 for time in (changed, *filter(None, others)))


def _fields(raw: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(raw):
        start = position + _HEAD.size
        if start > len(raw):
            raise ExtraFieldError(name=name, rule="the last is cut off")
        kind, size = _HEAD.unpack(raw[position:start])
        position = start + size
        if position > len(raw):
            raise ExtraFieldError(name=name, rule="the last is cut off")
        yield kind, raw[start:position]


def _path(name: str) -> bytes:
    """Return the Unicode path (APPNOTE §4.6.9) that repeats a name."""
    raw = name.encode()
    return _PATH_HEAD.pack(_PATH_VERSION, crc32(raw)) + raw

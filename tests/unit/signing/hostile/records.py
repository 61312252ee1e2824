"""Packages whose records are uncommon, contradict each other, or leave room beside the entries."""

import io
import struct
import zipfile
from collections.abc import Iterator

from .extra_fields import altered, field
from .making import (
    BIN,
    CENTRAL,
    END,
    IMAGE,
    LOCAL,
    Family,
    Hostile,
    both,
    contents,
    honest,
    patched,
    signed,
    zipped,
)


class _Pipe(io.BytesIO):
    """Cannot tell where it is: sizes follow contents then."""

    def tell(self) -> int:
        raise io.UnsupportedOperation


def _uncommon() -> Iterator[Hostile]:
    for flag in (0x0010, 0x0020, 0x0080, 0x1000, 0x8000):
        yield Hostile(f"flag {flag:#06x}", both(honest(), 6, 8, struct.pack("<H", flag)))
    for method in (1, 9, 12, 14, 93, 99):
        yield Hostile(f"compression method {method}", both(honest(), 8, 10, struct.pack("<H", method)))
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for name, content in contents(honest()).items():
            archive.writestr(name, content)
    yield Hostile("stored content with its size behind it", pipe.getvalue())
    needless = {"app.bin": field(0x0001, struct.pack("<2Q", len(IMAGE), len(IMAGE)))}
    yield Hostile("needless ZIP64 in the directory", altered(honest(), central=needless))
    yield Hostile("needless ZIP64 in the local header", altered(honest(), local=needless))
    for needed in (21, 45, 63, 64, 0x0114):
        for name, record, offset in (("the directory", CENTRAL, 6), ("a local header", LOCAL, 4)):
            raw = patched(honest(), record, offset, struct.pack("<H", needed))
            yield Hostile(f"version {needed} in {name}", raw)
    for host in (1, 2, 7, 11, 255):
        yield Hostile(f"attributes of system {host}", patched(honest(), CENTRAL, 5, bytes((host,))))
    yield Hostile("several volumes", patched(honest(), END, 4, b"\1\0\1\0"))


def _encrypted() -> Iterator[Hostile]:
    for name, flags in (("traditional", 0x0001), ("strong", 0x0041), ("masked headers", 0x2000)):
        yield Hostile(name, both(honest(), 6, 8, struct.pack("<H", flags)))


def _truncated() -> Iterator[Hostile]:
    raw = honest()
    for kept in (20, 100, len(raw) // 2, len(raw) - 60, len(raw) - 22, len(raw) - 1):
        yield Hostile(f"{kept} of {len(raw)} bytes", raw[:kept])


def _concatenated() -> Iterator[Hostile]:
    yield Hostile("unsigned, then signed", zipped([BIN]) + honest())
    yield Hostile("signed, then unsigned", honest() + zipped([BIN]))


def _outside() -> Iterator[Hostile]:
    yield Hostile("a self-extracting stub before", b"MZ self-extracting" + honest())
    buffer = io.BytesIO(b"#!/bin/sh\n")
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("app.bin", IMAGE)
    yield Hostile("a script before, known to the offsets", buffer.getvalue())
    yield Hostile("a line break behind", honest() + b"\n")
    yield Hostile("zeros behind", honest() + bytes(1000))
    raw = zipped([BIN], zipfile.ZIP_STORED)
    at = raw.index(CENTRAL)
    between = raw[:at] + b"hidden!!" + raw[at:]
    yield Hostile("data before the directory", patched(between, END, 16, struct.pack("<L", at + 8)))


def _overlapping() -> Iterator[Hostile]:
    raw = zipped([BIN, ("bpp.bin", IMAGE)], zipfile.ZIP_STORED)
    yield Hostile("two entries with the same data", patched(raw, CENTRAL, 42, struct.pack("<L", 0), last=True))
    yield Hostile("an entry inside another", patched(raw, CENTRAL, 42, struct.pack("<L", 40), last=True))


def _comments() -> Iterator[Hostile]:
    for length in (1, 0xFFFF):
        raw = honest()[:-2] + struct.pack("<H", length) + b"c" * length
        yield Hostile(f"{length} bytes", raw)


def _entry_comments() -> Iterator[Hostile]:
    for length in (1, 0xFFFF):
        buffer = io.BytesIO(honest())
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.getinfo("app.bin").comment = b"c" * length
            archive.comment = b"so that the directory is written anew"
            archive.comment = b""
        yield Hostile(f"{length} bytes", buffer.getvalue())


def _foreign_names() -> Iterator[Hostile]:
    for encoding in ("gbk", "shift_jis"):
        name = "固.bin".encode(encoding)
        placeholder = b"x" * (len(name) - 4) + b".bin"
        raw = zipped([(placeholder.decode(), IMAGE)])
        yield Hostile(encoding, raw.replace(placeholder, name))
    raw = signed(zipped([("固件.bin", IMAGE)]))
    yield Hostile("UTF-8 that does not say so", both(raw, 6, 8, bytes(2)))


FAMILIES: tuple[Family, ...] = (
    Family("uncommon features", "unsupported_zip", _uncommon),
    Family("encrypted entries", "encrypted_entry", _encrypted),
    Family("truncated zips", "broken_zip", _truncated),
    Family("concatenated zips", "concatenated_zip", _concatenated),
    Family("prefix and suffix data", "extra_data", _outside),
    Family("overlapping entries", "overlapping_entries", _overlapping),
    Family("huge comments", "comment", _comments),
    Family("comments of entries", "entry_comment", _entry_comments),
    Family("non-UTF-8 names", "name_encoding", _foreign_names),
)

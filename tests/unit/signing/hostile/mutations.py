"""Signed packages of several tools, and what becomes of them when a byte, or the same field twice, is changed."""

import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from sluice_signing import PackageLimits, PackageRefusedError, verify
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import mark_names

from .making import CENTRAL, END, LOCAL, Entries, signed, trusted, zipped

_FIELDS = (
    (4, 6, 2),
    (6, 8, 2),
    (8, 10, 2),
    (10, 12, 2),
    (12, 14, 2),
    (14, 16, 4),
    (18, 20, 4),
    (22, 24, 4),
    (30, 46, 1),
)
"""What local header and directory record have both: offset there, here, and length (APPNOTE §4.3.7, §4.3.12)."""
_MORE_VALUES = {0, 3, 10, 19, 0xFF}
"""None, all, and the systems that attributes may be of."""
_IMAGE = ("app.bin", b"firmware " * 8)
_NTFS_TIMES = struct.pack("<HHLHH3Q", 0x000A, 32, 0, 1, 24, 134_000_000_000_000_000, 0, 0)
_UNIX_TIMES = struct.pack("<HHBL", 0x5455, 5, 1, 0x6B0C1B92)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A changed package.

    Attributes:
        place: Record and offset in it of what was changed; the same for changes of one kind.
        raw: The file.
    """

    place: str
    raw: bytes


class _Pipe(io.BytesIO):
    """Cannot tell where it is: sizes follow contents then."""

    def tell(self) -> int:
        raise io.UnsupportedOperation


def originals() -> dict[str, bytes]:
    """Return signed packages by the kind of tool that writes such zips."""
    return {
        "python": signed(zipped([_IMAGE, ("docs/", b""), ("docs/读我.txt", "固件说明".encode())])),
        "windows": _signed_by_tool(zipped(_of_windows())),
        "unix": signed(zipped(_of_unix(), zipfile.ZIP_STORED)),
        "pipe": signed(_into_pipe()),
    }


def _signed_by_tool(raw: bytes) -> bytes:
    file = io.BytesIO(raw)
    mark_names(file, ZipArchive(file, PackageLimits()))
    return signed(file.getvalue())


def _of_windows() -> Entries:
    made: Entries = []
    for name, content, attributes in ((*_IMAGE, 0x20), ("docs/", b"", 0x10), ("docs/说明.txt", b"text", 0x21)):
        info = zipfile.ZipInfo(name, (2026, 11, 22, 8, 30, 0))
        raw = name.encode()
        path = struct.pack("<HHBL", 0x7075, 5 + len(raw), 1, crc32(raw)) + raw
        info.create_system, info.external_attr, info.extra = 0, attributes, _NTFS_TIMES + path
        info.compress_type = zipfile.ZIP_DEFLATED
        made.append((info, content))
    return made


def _of_unix() -> Entries:
    made: Entries = []
    for name, content, mode in ((*_IMAGE, 0o100644), ("docs/", b"", 0o040755), ("docs/a.txt", b"text", 0o100600)):
        info = zipfile.ZipInfo(name, (2026, 11, 22, 8, 30, 0))
        info.external_attr, info.extra = mode << 16 | (0x10 if name.endswith("/") else 0), _UNIX_TIMES
        made.append((info, content))
    return made


def _into_pipe() -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (_IMAGE, ("docs/readme.txt", b"text " * 40)):
            archive.writestr(name, content)
    return pipe.getvalue()


def accepted(raw: bytes) -> Iterator[Mutation]:
    """Yield the mutations of a package that verify all the same."""
    for mutation in _mutations(raw):
        try:
            verify(io.BytesIO(mutation.raw), trusted())
        except PackageRefusedError:
            continue
        yield mutation


def _mutations(raw: bytes) -> Iterator[Mutation]:
    for position, place in enumerate(_places(raw)):
        values = {raw[position] ^ (1 << bit) for bit in range(8)} | _MORE_VALUES
        for value in values - {raw[position]}:
            yield Mutation(place, raw[:position] + bytes((value,)) + raw[position + 1 :])
    headers, records = _found(raw, LOCAL), _found(raw, CENTRAL)
    for header, record in zip(headers, records, strict=True):
        for there, here, length in _FIELDS:
            for bit in range(8 * length):
                both = bytearray(raw)
                for start in (header + there, record + here):
                    both[start + bit // 8] ^= 1 << bit % 8
                yield Mutation(f"both {here + bit // 8}", bytes(both))


def _found(raw: bytes, signature: bytes) -> list[int]:
    """Return where records of a kind begin; contents of these packages do not hold their signatures."""
    return [position for position in range(len(raw)) if raw.startswith(signature, position)]


def _places(raw: bytes) -> Iterator[str]:
    """Yield for every byte of a package what it belongs to."""
    starts = {position: kind for kind in (LOCAL, CENTRAL, END) for position in _found(raw, kind)}
    names = {LOCAL: "header", CENTRAL: "record", END: "end"}
    start, kind = 0, LOCAL
    for position in range(len(raw)):
        if position in starts:
            start, kind = position, starts[position]
        yield f"{names[kind]} {position - start}"

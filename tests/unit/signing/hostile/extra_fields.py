"""Packages with extra fields that give entries another meaning, put in after they were signed."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from .making import BIN, Family, Hostile, contents, signed, zipped


def field(kind: int, data: bytes) -> bytes:
    """Return an extra field (APPNOTE §4.5)."""
    return struct.pack("<HH", kind, len(data)) + data


def _unicode_path(name: str, other: str) -> bytes:
    """Return the field by which Info-ZIP's unzip calls the entry `name` by another name."""
    return field(0x7075, struct.pack("<BL", 1, zlib.crc32(name.encode())) + other.encode())


def altered(raw: bytes, *, local: dict[str, bytes] | None = None, central: dict[str, bytes] | None = None) -> bytes:
    """Return a package with extra fields, by entry, that were put in after it was signed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents(raw).items():
            info = zipfile.ZipInfo(name)
            info.extra = (local or {}).get(name, b"")
            archive.writestr(info, content)
            info.extra = (central or {}).get(name, b"")
    return buffer.getvalue()


def _extra() -> Iterator[Hostile]:
    raw = signed(zipped([BIN, ("a.txt", b"evil firmware")]))
    swap = {"app.bin": _unicode_path("app.bin", "a.txt"), "a.txt": _unicode_path("a.txt", "app.bin")}
    yield Hostile("image and text change names by Unicode paths", altered(raw, local=swap, central=swap))
    cases = {
        "a Unicode path that leads out": _unicode_path("app.bin", "../app.bin"),
        "a Unicode path whose checksum is that of another name": _unicode_path("other", "app.bin"),
        "a type of its own": field(0xEEEE, b"hidden"),
        "the link of ASi": field(0x756E, struct.pack("<LHLHH", 0, 0o120777, 3, 0, 0) + b"a.b"),
        "a header cut off": field(0x5455, b"\1\0\0\0\0") + b"UT",
        "a field cut off": field(0x5455, b"\1\0\0\0\0")[:-1],
        "513 bytes": field(0x000A, bytes(509)),
        "65,535 bytes": field(0x7875, bytes(65_531)),
    }
    for name, extra in cases.items():
        yield Hostile(f"{name}, in the directory", altered(raw, central={"app.bin": extra}))
        yield Hostile(f"{name}, in the local header", altered(raw, local={"app.bin": extra}))


FAMILIES: tuple[Family, ...] = (Family("extra fields", "extra_field", _extra),)

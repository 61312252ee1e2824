"""Packages with contents that are bombs, archives, or longer than they seem."""

import struct
import zipfile
import zlib
from collections.abc import Iterator

from sluice_signing.domain.manifest import MANIFEST_NAME

from .making import (
    BIN,
    END,
    IMAGE,
    MIB,
    Entries,
    Family,
    Hostile,
    both,
    manifest_of,
    signed,
    signer,
    zipped,
)
from .signatures import sealed


def _bombs() -> Iterator[Hostile]:
    bomb = zipped([("app.bin", bytes(17 * MIB))])
    yield Hostile("a uniform image of 17 MiB", signed(bomb), bomb)
    yield Hostile("a second entry that is a bomb", signed(zipped([BIN, ("pad.dat", bytes(40 * MIB))])))


def _commented(length: int) -> bytes:
    return zipped([BIN])[:-2] + struct.pack("<H", length) + bytes(length)


def _nested() -> Iterator[Hostile]:
    cases: dict[str, Entries] = {
        "by name": [BIN, ("inner.zip", b"anything")],
        "as the image": [("app.bin", zipped([BIN]))],
        "empty, in disguise": [BIN, ("a.dat", END + bytes(18))],
        "by a name in full width": [BIN, ("inner.\uff3a\uff49\uff50", b"anything")],
        "by the name of a folder": [BIN, ("inner.zip/", b"")],
        "split into volumes": [BIN, ("a.dat", b"PK\x07\x08" + zipped([BIN]))],
        "split into one volume": [BIN, ("a.dat", b"PK00" + zipped([BIN]))],
        "behind a script, as the image": [("app.bin", b"#!/bin/sh\n" + zipped([BIN]))],
        "behind an image of 300 KiB": [("app.bin", IMAGE * 85 + zipped([BIN]))],
        "between two images": [("app.bin", IMAGE + zipped([BIN]) + IMAGE)],
        "with a comment of 65,535 bytes": [BIN, ("a.dat", b"x" + _commented(0xFFFF))],
        "with a directory of 200 KiB": [BIN, ("a.dat", b"x" + zipped([(f"{n:0200}", b"") for n in range(800)]))],
    }
    for name, entries in cases.items():
        yield Hostile(name, sealed(signer(), signer().sign, entries=entries), zipped(entries))


def _hidden() -> Iterator[Hostile]:
    for pieces in (1, 3):
        # A reader that works in pieces of 64 KiB sees the end of the stream and the end of a piece at once.
        length = pieces * 64 * 1024
        blocks = [bytes(n) for n in [_BLOCK_BYTES] * (length // (_BLOCK_BYTES + 5))]
        blocks.append(bytes(length - sum(len(block) + 5 for block in blocks) - 5))
        stream = b"".join(_stored_block(block, last=block is blocks[-1]) for block in blocks)
        yield Hostile(f"behind a stream of {pieces} x 64 KiB", *_with_stream(b"".join(blocks), stream + IMAGE))
    yield Hostile("behind a short stream", *_with_stream(b"", _stored_block(b"", last=True) + IMAGE))


_BLOCK_BYTES = 0xFFFF


def _stored_block(content: bytes, *, last: bool) -> bytes:
    """Return an uncompressed block of a deflate stream (RFC 1951 §3.2.4)."""
    return struct.pack("<BHH", last, len(content), len(content) ^ 0xFFFF) + content


def _with_stream(content: bytes, stream: bytes) -> tuple[bytes, bytes]:
    """Return a package, signed and not yet, where this is the deflate stream of a text beside the image."""
    entries: Entries = [("a.txt", stream), BIN]
    manifest = manifest_of(sealed(signer(), signer().sign, entries=[("a.txt", content), BIN]))

    def patched(raw: bytes) -> bytes:
        raw = both(raw, 8, 10, struct.pack("<H", zipfile.ZIP_DEFLATED))
        raw = both(raw, 22, 24, struct.pack("<L", len(content)))
        return both(raw, 14, 16, struct.pack("<L", zlib.crc32(content)))

    stored = zipfile.ZIP_STORED
    return patched(zipped([*entries, (MANIFEST_NAME, manifest)], stored)), patched(zipped(entries, stored))


FAMILIES: tuple[Family, ...] = (
    Family("zip bombs", "zip_bomb", _bombs),
    Family("nested zips", "nested_archive", _nested),
    Family("data behind compressed contents", "hidden_data", _hidden),
)

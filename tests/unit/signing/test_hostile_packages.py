"""Hostile packages, one test per family; each is refused with a reason of its own.

Two kinds: those whose form alone is hostile are refused by `sign` and, signed by a hostile signer with a
trusted key, by `verify`; those that were altered after an honest signature are refused by `verify`.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.unit.signing.packages import Packages

from sluice_signing import KeyPair, PackageLimits, PackageRefusedError, PrivateKey, sign, verify
from sluice_signing.adapters.archive import PIECE_BYTES, ZipArchive
from sluice_signing.domain.manifest import MANIFEST_NAME

MIB = 1024 * 1024
TIGHT = PackageLimits(max_content_bytes=2 * MIB, max_entries=20, ratio_free_bytes=MIB // 2, max_ratio=100)


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(PackageRefusedError) as refused:
        call()
    assert refused.value.diagnostics().endswith(".")
    return refused.value.code


def _info(name: str, *, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


BIN = ("app.bin", b"firmware")

HOSTILE_FORMS: dict[str, tuple[str, list[tuple[str | zipfile.ZipInfo, bytes]]]] = {
    "zip bomb": ("zip_bomb", [("app.bin", bytes(MIB))]),
    "content too large": ("too_big", [(f"{n}.dat", bytes(MIB // 2)) for n in range(5)]),
    "too many entries": ("too_many_entries", [(f"{n}.txt", b"x") for n in range(21)]),
    "nested zip": ("nested_archive", [BIN, ("inner.zip", b"anything")]),
    "nested zip in disguise": ("nested_archive", [("app.bin", b"PK\x03\x04 and so on")]),
    "nested empty zip in disguise": ("nested_archive", [BIN, ("a.dat", b"PK\x05\x06" + bytes(18))]),
    "traversal": ("path_traversal", [BIN, ("../app.txt", b"x")]),
    "traversal inside": ("path_traversal", [BIN, ("a/../../app.txt", b"x")]),
    "absolute path": ("path_traversal", [BIN, ("/etc/passwd", b"x")]),
    "drive letter": ("path_traversal", [BIN, ("C:/x.txt", b"x")]),
    "backslash": ("path_traversal", [BIN, ("a\\..\\b.txt", b"x")]),
    "empty part": ("bad_name", [BIN, ("a//b.txt", b"x")]),
    "line break": ("bad_name", [BIN, ("a\nb.txt", b"x")]),
    "reversed reading direction": ("bad_name", [BIN, ("txt.\u202enib", b"x")]),
    "trailing dot": ("bad_name", [BIN, ("readme.", b"x")]),
    "trailing space in a folder": ("bad_name", [BIN, ("docs /readme", b"x")]),
    "long name": ("bad_name", [BIN, ("固" * 86, b"x")]),
    "folder with content": ("bad_name", [BIN, ("docs/", b"x")]),
    "manifest's folder in other case": ("bad_name", [BIN, ("meta-inf/Sluice/manifest.dsse.json", b"x")]),
    "file beside the manifest": ("bad_name", [BIN, ("META-INF/sluice/more.json", b"x")]),
    "duplicate": ("duplicate_name", [BIN, ("a.txt", b"x"), ("a.txt", b"y")]),
    "duplicate in other case": ("ambiguous_name", [BIN, ("APP.BIN", b"other")]),
    "duplicate in other Unicode form": ("ambiguous_name", [BIN, ("\u00e9.txt", b"x"), ("e\u0301.txt", b"y")]),
    "duplicate as a folder": ("ambiguous_name", [BIN, ("a", b"x"), ("a/", b"")]),
    "symbolic link": ("special_file", [BIN, (_info("link", mode=0o120777), b"/etc/passwd")]),
    "device": ("special_file", [BIN, (_info("null", mode=0o020666), b"")]),
    "pipe": ("special_file", [BIN, (_info("-", mode=0o010600), b"x")]),
    "no image": ("no_bin", [("app.hex", b"x"), ("bin", b"x"), ("app.bin.txt", b"x")]),
    "no entries": ("no_bin", []),
    "several images": ("several_bin", [BIN, ("other/APP2.BIN", b"x")]),
    "resource fork": ("several_bin", [BIN, ("__MACOSX/._app.bin", b"x")]),
    "empty image": ("empty_image", [("app.bin", b"")]),
}


@pytest.mark.requirement("R020", "R024")
@pytest.mark.parametrize("case", HOSTILE_FORMS.values(), ids=HOSTILE_FORMS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_form_is_refused_before_and_after_signing(
    case: tuple[str, list[tuple[str | zipfile.ZipInfo, bytes]]],
    packages: Packages,
    pair: KeyPair,
    passphrase: str,
    tmp_path: Path,
) -> None:
    code, entries = case
    raw = packages.zip(entries)
    path = tmp_path / "package.zip"
    path.write_bytes(raw)
    assert _code(lambda: sign(path, pair.private_pem, passphrase, limits=TIGHT)) == code
    assert _code(lambda: packages.verify(packages.sign(raw), TIGHT)) == code


def _patched(raw: bytes, signature: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    """Overwrite bytes of the first (or last) record of a kind."""
    at = (raw.rindex(signature) if last else raw.index(signature)) + offset
    return raw[:at] + value + raw[at + len(value) :]


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def _both(raw: bytes, local_offset: int, central_offset: int, value: bytes) -> bytes:
    """Overwrite the same field in the first entry's local header and in its directory record."""
    return _patched(_patched(raw, LOCAL, local_offset, value), CENTRAL, central_offset, value)


@pytest.mark.parametrize("flag", [0x0001, 0x0041, 0x2000])
def test_an_encrypted_entry_is_refused(flag: int, honest: bytes, packages: Packages) -> None:
    raw = _both(honest, 6, 8, struct.pack("<H", flag))
    assert _code(lambda: packages.verify(raw)) == "encrypted_entry"


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
def test_an_uncommon_compression_is_refused(method: int, honest: bytes, packages: Packages) -> None:
    raw = _both(honest, 8, 10, struct.pack("<H", method))
    assert _code(lambda: packages.verify(raw)) == "unsupported_zip"


def test_a_name_that_is_not_utf_8_is_refused(packages: Packages) -> None:
    raw = packages.zip({"xx.bin": b"firmware"}).replace(b"xx.bin", "固.bin".encode("gbk"))
    assert _code(lambda: packages.verify(raw)) == "name_encoding"


@pytest.mark.parametrize("kept", [0, 1, 3, 4, 20, 100, -1, -21, -22, -23, -60])
def test_a_truncated_zip_is_refused(kept: int, signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(signed[:kept])) in {"not_a_zip", "broken_zip"}


@pytest.mark.requirement("R021", "R044")
@pytest.mark.parametrize("raw", [b"", b"firmware", b"\x7fELF" + bytes(70_000), b"Rar!\x1a\x07\x00"])
def test_a_file_that_is_no_zip_is_refused(raw: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(raw)) == "not_a_zip"


def test_prefix_data_is_refused(signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(b"MZ self-extracting" + signed)) == "extra_data"


def test_prefix_data_that_the_offsets_know_of_is_refused(packages: Packages) -> None:
    buffer = io.BytesIO(b"#!/bin/sh\n")
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("app.bin", b"firmware")
    assert _code(lambda: packages.verify(buffer.getvalue())) == "extra_data"


@pytest.mark.parametrize("suffix", [b"\n", bytes(22), bytes(1000)])
def test_suffix_data_is_refused(suffix: bytes, signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(signed + suffix)) == "extra_data"


@pytest.mark.parametrize("length", [1, 0xFFFF])
def test_a_comment_is_refused(length: int, signed: bytes, packages: Packages) -> None:
    raw = signed[:-2] + struct.pack("<H", length) + b"c" * length
    assert _code(lambda: packages.verify(raw)) == "comment"


def test_concatenated_zips_are_refused(signed: bytes, honest: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(honest + signed)) == "concatenated_zip"
    assert _code(lambda: packages.verify(signed + honest)) == "concatenated_zip"


def test_data_between_entries_is_refused(packages: Packages) -> None:
    first = packages.zip({"app.bin": b"firmware"}, zipfile.ZIP_STORED)
    gap = b"hidden!!"
    at = first.index(CENTRAL)
    raw = first[:at] + gap + first[at:]
    raw = _patched(raw, END, 16, struct.pack("<L", at + len(gap)))
    assert _code(lambda: packages.verify(raw)) == "extra_data"


def test_overlapping_entries_are_refused(packages: Packages) -> None:
    raw = packages.zip({"app.bin": b"firmware", "b.txt": b"text"}, zipfile.ZIP_STORED)
    inside = struct.pack("<L", 10)  # the second entry claims to begin inside the first
    assert _code(lambda: packages.verify(_patched(raw, CENTRAL, 42, inside, last=True))) == "overlapping_entries"


def test_entries_that_share_their_data_are_refused(packages: Packages) -> None:
    raw = packages.zip({"app.bin": b"firmware", "bpp.bin": b"firmware"}, zipfile.ZIP_STORED)
    shared = struct.pack("<L", 0)
    assert _code(lambda: packages.verify(_patched(raw, CENTRAL, 42, shared, last=True))) == "overlapping_entries"


@pytest.mark.parametrize(
    ("offset", "value"),
    [(8, b"\0\0"), (14, b"\0\0\0\1"), (18, b"\1\0\0\0"), (22, b"\1\0\0\0"), (6, b"\x08\0"), (30, b"b")],
    ids=["method", "checksum", "compressed size", "size", "flags", "name"],
)
def test_a_local_header_that_contradicts_the_directory_is_refused(
    offset: int, value: bytes, signed: bytes, packages: Packages
) -> None:
    assert _code(lambda: packages.verify(_patched(signed, LOCAL, offset, value))) == "broken_zip"


@pytest.mark.parametrize("claimed", [7, 9, 4096])
def test_a_size_that_the_content_does_not_have_is_refused(claimed: int, packages: Packages) -> None:
    raw = packages.zip({"app.bin": b"firmware"})
    lying = _both(raw, 22, 24, struct.pack("<L", claimed))
    code = _code(lambda: packages.verify(packages.sign(lying)))
    assert code == ("zip_bomb" if claimed < len(b"firmware") else "broken_zip")


def test_a_bomb_that_lies_about_its_size_is_refused_at_once(packages: Packages) -> None:
    raw = packages.zip({"app.bin": bytes(64 * MIB)})
    lying = _both(raw, 22, 24, struct.pack("<L", 1000))
    archive = ZipArchive(io.BytesIO(lying), PackageLimits())
    inflated: list[bytes] = []
    assert _code(lambda: inflated.extend(archive.pieces(archive.entries[0]))) == "zip_bomb"
    assert inflated == []


def _deflated(content: bytes, stream: bytes) -> bytes:
    """Return a zip whose one entry has this deflate stream, whatever it inflates to."""
    raw = Packages.zip({"app.bin": stream}, zipfile.ZIP_STORED)
    raw = _both(raw, 8, 10, struct.pack("<H", zipfile.ZIP_DEFLATED))
    raw = _both(raw, 22, 24, struct.pack("<L", len(content)))
    return _both(raw, 14, 16, struct.pack("<L", zlib.crc32(content)))


def _stream(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def test_damaged_deflate_data_is_refused(packages: Packages) -> None:
    content = bytes(range(256))
    stream = _stream(content)
    damaged = bytes([stream[0] ^ 0x06]) + stream[1:]
    assert _code(lambda: packages.sign(_deflated(content, damaged))) == "broken_zip"
    assert _code(lambda: packages.sign(_deflated(content, stream[:-1]))) == "broken_zip"


@pytest.mark.parametrize("hidden", [1, PIECE_BYTES, 3 * PIECE_BYTES])
@pytest.mark.parametrize("end", [100, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_data_behind_the_end_of_a_deflate_stream_is_refused(end: int, hidden: int, packages: Packages) -> None:
    content = os.urandom(8)
    empty = b"\0\0\0\xff\xff"  # a stored block without content, as often as it takes
    padding = end - len(_stored_block(content))
    content += bytes(padding % len(empty))
    stream = empty * (padding // len(empty)) + _stored_block(content)
    assert len(stream) == end
    packages.sign(_deflated(content, stream))
    assert _code(lambda: packages.sign(_deflated(content, stream + bytes(hidden)))) == "hidden_data"


def _stored_block(content: bytes) -> bytes:
    """Return a last block of a deflate stream (RFC 1951 §3.2.4)."""
    return struct.pack("<BHH", 1, len(content), len(content) ^ 0xFFFF) + content


@pytest.mark.parametrize(("offset", "value"), [(8, b"\xff\xff\xff\xff"), (16, b"\xff\xff\xff\xff")])
def test_zip64_is_refused(offset: int, value: bytes, signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(_patched(signed, END, offset, value))) == "unsupported_zip"


def test_zip64_entries_are_refused(packages: Packages) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("app.bin", "w", force_zip64=True) as entry:
        entry.write(b"firmware")
    assert _code(lambda: packages.verify(buffer.getvalue())) == "unsupported_zip"


def test_several_volumes_are_refused(signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(_patched(signed, END, 4, b"\1\0\1\0"))) == "unsupported_zip"


def test_a_directory_that_lists_less_than_it_holds_is_refused(signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(_patched(signed, END, 8, b"\1\0\1\0"))) == "broken_zip"


def test_a_huge_directory_is_refused_before_it_is_read(packages: Packages) -> None:
    info = _info("app.bin")
    info.comment = b"c" * 0xFFFF
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [(info, b"firmware")]
    limits = PackageLimits(max_directory_bytes=1000)
    assert _code(lambda: packages.verify(packages.zip(entries), limits)) == "too_big"


def test_a_file_above_the_size_limit_is_refused(signed: bytes, packages: Packages) -> None:
    limits = PackageLimits(max_archive_bytes=len(signed) - 1)
    assert _code(lambda: packages.verify(signed, limits)) == "too_big"


# Altered after an honest signature.


def _rezipped(signed: bytes, packages: Packages, **changes: bytes | None) -> bytes:
    """Return a zip with entries replaced, added, or left out."""
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    changed = {name.replace("__", "/").replace("_dot_", "."): content for name, content in changes.items()}
    merged = entries | changed
    return packages.zip({name: content for name, content in merged.items() if content is not None})


@pytest.mark.requirement("R022", "R023")
def test_an_unsigned_package_is_refused(honest: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(honest)) == "unsigned"


@pytest.mark.requirement("R023")
def test_a_changed_image_is_refused(signed: bytes, packages: Packages, image: bytes) -> None:
    same_size = image[:-1] + b"!"
    for changed in (same_size, image + b"!", image[:-1]):
        raw = _rezipped(signed, packages, app_dot_bin=changed)
        assert _code(partial(packages.verify, raw)) == "entry_changed"


def test_any_changed_entry_is_refused(signed: bytes, packages: Packages) -> None:
    raw = _rezipped(signed, packages, docs__readme_dot_txt="谁我".encode())
    assert _code(lambda: packages.verify(raw)) == "entry_changed"


def test_an_entry_added_after_signing_is_refused(signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(_rezipped(signed, packages, more=b"x"))) == "entry_added"
    assert _code(lambda: packages.verify(_rezipped(signed, packages, empty__=b""))) == "entry_added"


def test_an_entry_removed_after_signing_is_refused(signed: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(_rezipped(signed, packages, docs__readme_dot_txt=None))) == "entry_missing"
    assert _code(lambda: packages.verify(_rezipped(signed, packages, app_dot_bin=None))) == "entry_missing"


def test_a_renamed_entry_is_refused(signed: bytes, packages: Packages, image: bytes) -> None:
    raw = _rezipped(signed, packages, app_dot_bin=None, new_dot_bin=image)
    assert _code(lambda: packages.verify(raw)) == "entry_added"


def _manifest_of(signed: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        content: bytes = archive.read(MANIFEST_NAME)
    return content


def test_a_manifest_of_another_package_is_refused(signed: bytes, packages: Packages) -> None:
    other = packages.sign(packages.zip({"app.bin": b"older firmware"}))
    entries = {"app.bin": b"evil firmware!", MANIFEST_NAME: _manifest_of(other)}
    assert _code(lambda: packages.verify(packages.zip(entries))) == "entry_changed"
    entries = {"app.bin": b"older firmware", MANIFEST_NAME: _manifest_of(signed)}
    assert _code(lambda: packages.verify(packages.zip(entries))) == "entry_changed"


def test_two_manifests_are_refused(signed: bytes, packages: Packages) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        raw = packages.zip([BIN, (MANIFEST_NAME, _manifest_of(signed)), (MANIFEST_NAME, _manifest_of(signed))])
    assert _code(lambda: packages.verify(raw)) == "duplicate_name"


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b"\xff"])
def test_a_broken_manifest_is_refused(content: bytes, packages: Packages) -> None:
    assert _code(lambda: packages.verify(packages.zip({"app.bin": b"x", MANIFEST_NAME: content}))) == "bad_manifest"


def test_a_huge_manifest_is_refused_unread(packages: Packages) -> None:
    raw = packages.zip({"app.bin": b"x", MANIFEST_NAME: bytes(2 * MIB)})
    assert _code(lambda: packages.verify(raw)) == "too_big"


@pytest.mark.requirement("R023", "R053")
def test_a_package_signed_with_another_key_is_refused(signed: bytes, private_key: Callable[[str], PrivateKey]) -> None:
    others = [private_key("ECDSA_256K1+SHA256").public, private_key("RSA2048+SHA256").public]
    assert _code(lambda: verify(io.BytesIO(signed), others)) == "unknown_key"
    assert _code(lambda: verify(io.BytesIO(signed), [])) == "unknown_key"

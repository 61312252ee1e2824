"""Archives that ordinary tools write are read; whatever else is changed in them is refused or harmless."""

import io
import os
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.signing.packages import IMAGE, Packages

from sluice_signing import (
    KeyPair,
    PackageLimits,
    PackageRefusedError,
    PrivateKey,
    load_public_key,
    sign,
    verify,
)
from sluice_signing.adapters.archive import PIECE_BYTES, ZipArchive
from sluice_signing.application.sign_package import mark_names
from sluice_signing.domain.errors import BrokenZipError

LIMITS = PackageLimits()


def _contents(raw: bytes) -> dict[str, bytes]:
    archive = ZipArchive(io.BytesIO(raw), LIMITS)
    return {entry.name: b"".join(archive.pieces(entry)) for entry in archive.entries}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 7])
def test_contents_are_read_as_they_were_written(compression: int, size: int, packages: Packages) -> None:
    entries = {"app.bin": (bytes(range(251)) * (size // 251 + 1))[:size], "docs/": b"", "docs/读我.txt": b"text"}
    assert _contents(packages.zip(entries, compression)) == entries


@given(st.binary(max_size=4 * PIECE_BYTES), st.integers(0, 9))
def test_any_content_is_read_in_small_pieces(content: bytes, level: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as writer:
        writer.writestr("app.bin", content)
    archive = ZipArchive(buffer, LIMITS)
    pieces = list(archive.pieces(archive.entries[0]))
    assert b"".join(pieces) == content
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)


class _Pipe(io.RawIOBase):
    """Takes bytes and cannot go back, as a pipe: zip writers put sizes behind the data then."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self.taken += piece
        return len(piece)


@pytest.mark.parametrize("signature", [True, False], ids=["with signature", "without signature"])
def test_sizes_behind_the_data_are_understood(signature: bool) -> None:
    raw = _with_descriptor()
    if not signature:
        at = raw.rindex(b"PK\x07\x08")
        raw = raw[:at] + raw[at + 4 :]
        end = raw.rindex(b"PK\x05\x06")
        raw = raw[: end + 16] + (raw.index(b"PK\x01\x02")).to_bytes(4, "little") + raw[end + 20 :]
    assert _contents(raw) == {"app.bin": IMAGE}


@pytest.mark.parametrize("known", [(), (22,), (18, 22), (14, 18, 22)], ids=lambda known: f"{len(known)} known before")
def test_sizes_may_stand_before_and_behind_the_data_if_they_agree(known: tuple[int, ...]) -> None:
    raw = _with_descriptor(*known)
    assert _contents(raw) == {"app.bin": IMAGE}
    for offset in known:
        with pytest.raises(BrokenZipError, match="contradicts"):
            _contents(raw[:offset] + b"\1\0\0\0" + raw[offset + 4 :])


def _with_descriptor(*known: int) -> bytes:
    """Return a zip with a descriptor; the fields at these offsets of the local header are filled all the same."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("app.bin", IMAGE)
    raw = bytearray(pipe.taken)
    record = raw.index(b"PK\x01\x02")
    for offset in known:
        raw[offset : offset + 4] = raw[record + offset + 2 : record + offset + 6]
    return bytes(raw)


def test_wrong_sizes_behind_the_data_are_refused() -> None:
    raw = _with_descriptor()
    at = raw.rindex(b"PK\x07\x08") + 4
    with pytest.raises(BrokenZipError):
        _contents(raw[:at] + b"\0\0\0\0" + raw[at + 4 :])


def test_entries_may_be_listed_in_another_order_than_they_lie(packages: Packages) -> None:
    raw = packages.zip({"a.bin": b"image", "b.txt": b"text"}, zipfile.ZIP_STORED)
    first, end = raw.index(b"PK\x01\x02"), raw.rindex(b"PK\x05\x06")
    second = raw.index(b"PK\x01\x02", first + 4)
    swapped = raw[:first] + raw[second:end] + raw[first:second] + raw[end:]
    assert list(_contents(swapped).items()) == [("b.txt", b"text"), ("a.bin", b"image")]


TOOLS = {
    "zip": "zip -q -r package.zip 固件.bin docs",
    "zip, without extra fields": "zip -q -r -X package.zip 固件.bin docs",
    "zip, sizes behind the data": "zip -q -r -fd package.zip 固件.bin docs",
    "zip, into a pipe": "zip -q -r - 固件.bin docs | cat > package.zip",
    "zip, stored": "zip -q -r -0 package.zip 固件.bin docs",
    "7z": "7z a -bd package.zip 固件.bin docs",
    "7zz": "7zz a -bd package.zip 固件.bin docs",
    "bsdtar": "bsdtar -a -cf package.zip 固件.bin docs",
    "jar": "jar cfM package.zip 固件.bin docs",
    "python": "python3 -m zipfile -c package.zip 固件.bin docs",
}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_packages_of_ordinary_tools_are_signed_and_verified(
    command: str, locale: str, pair: KeyPair, passphrase: str, tmp_path: Path
) -> None:
    tool = command.split(maxsplit=1)[0]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    if tool in {"7z", "7zz", "bsdtar", "jar"} and locale == "C":
        pytest.skip(f"{tool} writes no UTF-8 there")
    files = {"固件.bin": IMAGE, "docs/读我.txt": "固件说明".encode() * 400, "docs/empty.txt": b""}
    (tmp_path / "docs").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    shell, environment = ["sh", "-c", command], os.environ | {"LC_ALL": locale}
    subprocess.run(shell, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    contents = _contents((tmp_path / "package.zip").read_bytes())
    assert contents == {"docs/": b""} | files
    signed = sign(tmp_path / "package.zip", pair.private_pem, passphrase)
    assert verify(signed, [load_public_key(pair.public_pem)]).image_name == "固件.bin"


def _from_windows(name: str, *, extra: bytes = b"", attributes: int = 0x20) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2026, 11, 22, 8, 30, 0))
    info.create_system, info.external_attr, info.extra = 0, attributes, extra
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


NTFS_TIMES = struct.pack("<HHLHH3Q", 0x000A, 32, 0, 1, 24, 134_000_000_000_000_000, 0, 0)


def _unicode_path(name: str) -> bytes:
    raw = name.encode()
    return struct.pack("<HHBL", 0x7075, 5 + len(raw), 1, crc32(raw)) + raw


@pytest.mark.parametrize("extra", [b"", NTFS_TIMES, _unicode_path("固件.bin"), NTFS_TIMES + _unicode_path("固件.bin")])
def test_the_forms_of_windows_tools_are_verified(extra: bytes, packages: Packages) -> None:
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        (_from_windows("固件.bin", extra=extra), IMAGE),
        (_from_windows("docs/", extra=NTFS_TIMES, attributes=0x10), b""),
        (_from_windows("docs/readme.txt", attributes=0x21), b"text"),
    ]
    file = io.BytesIO(packages.zip(entries))
    mark_names(file, ZipArchive(file, LIMITS))
    assert packages.verify(packages.sign(file.getvalue())).image_name == "固件.bin"


def test_damage_in_stored_data_is_noticed(packages: Packages) -> None:
    raw = packages.zip({"app.bin": IMAGE}, zipfile.ZIP_STORED)
    at = raw.index(IMAGE)
    with pytest.raises(BrokenZipError, match="damaged"):
        _contents(raw[:at] + b"!" + raw[at + 1 :])


def test_a_file_that_shrinks_while_it_is_read_is_refused(packages: Packages) -> None:
    content = bytes(range(256)) * 2048
    file = io.BytesIO(packages.zip({"app.bin": content}, zipfile.ZIP_STORED))
    archive = ZipArchive(file, LIMITS)
    pieces = archive.pieces(archive.entries[0])
    next(pieces)
    file.truncate(PIECE_BYTES)
    with pytest.raises(BrokenZipError):
        list(pieces)


@given(data=st.data())
def test_no_change_of_a_signed_package_yields_another_image(key: PrivateKey, data: st.DataObject) -> None:
    packages = Packages(key)
    signed = packages.sign(packages.zip({"app.bin": IMAGE, "readme.txt": b"text"}))
    changed = bytearray(signed)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(changed) - 1))
        length = data.draw(st.integers(0, 8))
        changed[start : start + length] = data.draw(st.binary(max_size=12))
    image = io.BytesIO()
    try:
        verify(io.BytesIO(bytes(changed)), [key.public], image_to=image)
    except PackageRefusedError:
        return
    assert image.getvalue() == IMAGE  # what changed was a time or a permission


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    for raw in (noise, b"PK\x03\x04" + noise, noise + b"PK\x05\x06" + bytes(18), _with_end(noise)):
        try:
            _contents(raw)
        except PackageRefusedError:
            continue
        assert raw.endswith(b"PK\x05\x06" + bytes(18))  # only an archive without entries is acceptable


def _with_end(noise: bytes) -> bytes:
    """Return noise that an end record describes as a directory with one entry."""
    size = len(noise).to_bytes(4, "little")
    return noise + b"PK\x05\x06" + bytes(4) + b"\1\0\1\0" + size + bytes(4) + bytes(2)


def test_the_checksum_is_that_of_the_content(packages: Packages) -> None:
    archive = ZipArchive(io.BytesIO(packages.zip({"app.bin": IMAGE})), LIMITS)
    assert archive.entries[0].crc32 == crc32(IMAGE)

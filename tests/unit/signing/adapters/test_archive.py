"""Archives that ordinary tools write are read; whatever else is changed in them is refused or harmless."""

import io
import shutil
import subprocess
import zipfile
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.signing.conftest import IMAGE, Packages

from sluice_signing import PackageLimits, PackageRefusedError, PrivateKey, verify
from sluice_signing.adapters.archive import PIECE_BYTES, Archive
from sluice_signing.domain.errors import BrokenZipError

LIMITS = PackageLimits()


def _contents(raw: bytes) -> dict[str, bytes]:
    archive = Archive(io.BytesIO(raw), LIMITS)
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
    archive = Archive(buffer, LIMITS)
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
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("app.bin", IMAGE)
    raw = pipe.taken
    if not signature:
        at = raw.rindex(b"PK\x07\x08")
        raw = raw[:at] + raw[at + 4 :]
        end = raw.rindex(b"PK\x05\x06")
        raw = raw[: end + 16] + (raw.index(b"PK\x01\x02")).to_bytes(4, "little") + raw[end + 20 :]
    assert _contents(raw) == {"app.bin": IMAGE}


def test_wrong_sizes_behind_the_data_are_refused() -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as writer:
        writer.writestr("app.bin", IMAGE)
    at = pipe.taken.rindex(b"PK\x07\x08") + 4
    with pytest.raises(BrokenZipError):
        _contents(pipe.taken[:at] + b"\0\0\0\0" + pipe.taken[at + 4 :])


def test_entries_may_be_listed_in_another_order_than_they_lie(packages: Packages) -> None:
    raw = packages.zip({"a.bin": b"image", "b.txt": b"text"}, zipfile.ZIP_STORED)
    first, end = raw.index(b"PK\x01\x02"), raw.rindex(b"PK\x05\x06")
    second = raw.index(b"PK\x01\x02", first + 4)
    swapped = raw[:first] + raw[second:end] + raw[first:second] + raw[end:]
    assert list(_contents(swapped).items()) == [("b.txt", b"text"), ("a.bin", b"image")]


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP is not installed")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_archives_of_info_zip_are_read(locale: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "固件.bin").write_bytes(IMAGE)
    (tmp_path / "docs" / "readme.txt").write_text("text")
    command = ["zip", "-q", "-r", "package.zip", "固件.bin", "docs"]
    subprocess.run(command, cwd=tmp_path, env={"LC_ALL": locale, "PATH": "/usr/bin:/bin"}, check=True)
    raw = (tmp_path / "package.zip").read_bytes()
    assert _contents(raw) == {"固件.bin": IMAGE, "docs/": b"", "docs/readme.txt": b"text"}


def test_damage_in_stored_data_is_noticed(packages: Packages) -> None:
    raw = packages.zip({"app.bin": IMAGE}, zipfile.ZIP_STORED)
    at = raw.index(IMAGE)
    with pytest.raises(BrokenZipError, match="damaged"):
        _contents(raw[:at] + b"!" + raw[at + 1 :])


def test_a_file_that_shrinks_while_it_is_read_is_refused(packages: Packages) -> None:
    content = bytes(range(256)) * 2048
    file = io.BytesIO(packages.zip({"app.bin": content}, zipfile.ZIP_STORED))
    archive = Archive(file, LIMITS)
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
    archive = Archive(io.BytesIO(packages.zip({"app.bin": IMAGE})), LIMITS)
    assert archive.entries[0].crc32 == crc32(IMAGE)

import io
import os
import struct
import zipfile
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.signing.packages import Packages

from sluice_signing.domain.content import ContentDigest
from sluice_signing.domain.errors import NestedArchiveError

END = b"PK\x05\x06"
KIB = 1024


def _digest(content: bytes, step: int = 64 * KIB) -> str:
    digest = ContentDigest("a.dat")
    for position in range(0, len(content), step):
        digest.update(content[position : position + step])
    return digest.finish()


def _refused(content: bytes) -> bool:
    try:
        _digest(content)
    except NestedArchiveError:
        return True
    return False


INNER = Packages.zip({"app.bin": b"firmware", "docs/": b""})


@pytest.mark.parametrize("step", [1, 3, 4, 5, 1000])
def test_the_digest_does_not_depend_on_the_pieces(step: int) -> None:
    content = bytes(range(251)) * 20
    assert _digest(content, step) == sha256(content).hexdigest()
    with pytest.raises(NestedArchiveError, match=r"a\.dat"):
        _digest(content + INNER, step)


@pytest.mark.parametrize("before", [0, 1, 100, 64 * KIB, 500 * KIB])
@pytest.mark.parametrize("behind", [0, 1, 60 * KIB])
def test_a_content_that_python_opens_as_a_zip_is_refused(before: int, behind: int) -> None:
    content = os.urandom(before) + INNER + bytes(behind)
    assert zipfile.is_zipfile(io.BytesIO(content))
    assert _refused(content)


@pytest.mark.parametrize("entries", [1, 700, 3000])
def test_a_zip_with_a_long_directory_is_refused(entries: int) -> None:
    inner = Packages.zip({f"{n:0100}.txt": b"" for n in range(entries)})
    assert _refused(b"x" + inner)


def test_a_zip_whose_offsets_know_of_what_is_before_is_refused() -> None:
    buffer = io.BytesIO(os.urandom(300 * KIB))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("app.bin", b"firmware")
    assert _refused(buffer.getvalue())


def test_a_zip64_archive_is_refused() -> None:
    record = END + bytes(4) + b"\xff" * 12 + bytes(2)
    assert _refused(b"image" + b"PK\x06\x07" + bytes(16) + record)


@pytest.mark.parametrize(
    "fields",
    [(0, 0, 0, 0, 0, 0, 0), (0, 0, 1, 1, 46, 5, 0), (0, 0, 1, 1, 46, 2**31, 0), (0, 0, 9, 9, 100, 0, 0)],
    ids=["empty", "no directory there", "directory behind the end", "too small for its entries"],
)
def test_an_end_record_that_fits_nothing_is_no_zip(fields: tuple[int, ...]) -> None:
    record = END + struct.pack("<4H2LH", *fields)
    assert not _refused(b"image" + os.urandom(1000) + record + b"code")


@pytest.mark.parametrize("signature", [END, b"PK\x01\x02", b"PK\x03\x04", b"PK\x06\x07", b"PK\x07\x08"])
def test_firmware_that_knows_zip_signatures_is_no_zip(signature: bytes) -> None:
    assert not _refused(b"firmware" + (signature + os.urandom(3)) * 2000)
    assert not _refused(b"firmware" + signature)


@given(st.binary(min_size=1, max_size=2000), st.lists(st.integers(0, 2000), max_size=5))
def test_noise_with_end_signatures_is_no_zip(noise: bytes, places: list[int]) -> None:
    content = bytearray(b"\x7fELF" + noise)
    for place in places:
        at = 4 + place % len(noise)
        content[at : at + len(END)] = END
    assert not _refused(bytes(content))


def test_an_end_record_far_from_the_end_is_no_zip() -> None:
    assert not _refused(b"image" + INNER + bytes(200 * KIB))

import io
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.signing.packages import IMAGE, Packages

from sluice_signing import (
    ALGORITHMS,
    KeyPair,
    PackageLimits,
    VerifiedPackage,
    extract_image,
    keygen,
    load_public_key,
    sign,
    verify,
)
from sluice_signing.domain.errors import (
    AlreadySignedError,
    NotAZipError,
    TooManyEntriesError,
    WrongPassphraseError,
    WrongSignatureError,
)
from sluice_signing.domain.manifest import MANIFEST_NAME

NAMES = [algorithm.name for algorithm in ALGORITHMS]


@pytest.fixture
def package(honest: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "固件 v1.zip"
    path.write_bytes(honest)
    return path


def _envelope(signed: Path) -> bytes:
    with zipfile.ZipFile(signed) as archive:
        return archive.read(MANIFEST_NAME)


@pytest.mark.requirement("R020", "R021", "R022", "R041", "R043", "R046")
@pytest.mark.parametrize("name", NAMES)
def test_a_package_is_signed_and_verified(
    name: str, package: Path, key_pair: Callable[[str], KeyPair], passphrase: str
) -> None:
    pair = key_pair(name)
    signed_at = datetime(2026, 11, 22, 16, 30, 5, tzinfo=timezone(timedelta(hours=8)))
    signed = sign(package, pair.private_pem, passphrase, signed_at=signed_at)
    assert verify(signed, [load_public_key(pair.public_pem)]) == VerifiedPackage(
        image_name="app.bin",
        image_size=len(IMAGE),
        image_sha256=sha256(IMAGE).hexdigest(),
        key_id=pair.key_id,
        algorithm=name,
        signed_at=datetime(2026, 11, 22, 8, 30, 5, tzinfo=UTC),
        release=None,
        envelope=_envelope(signed),
    )


@pytest.mark.requirement("R045", "R048")
def test_the_signed_package_lies_beside_the_original_which_is_kept(
    package: Path, honest: bytes, pair: KeyPair, passphrase: str
) -> None:
    signed = sign(package, pair.private_pem, passphrase)
    assert signed == package.parent / "固件 v1_signed.zip"
    assert package.read_bytes() == honest
    assert sorted(path.name for path in package.parent.iterdir()) == ["固件 v1.zip", "固件 v1_signed.zip"]


def test_original_entries_are_untouched_byte_by_byte(
    package: Path, honest: bytes, pair: KeyPair, passphrase: str
) -> None:
    signed = sign(package, pair.private_pem, passphrase)
    entries_end = honest.index(b"PK\x01\x02")
    assert signed.read_bytes()[:entries_end] == honest[:entries_end]
    with zipfile.ZipFile(package) as before, zipfile.ZipFile(signed) as after:
        assert after.testzip() is None
        assert after.namelist() == [*before.namelist(), MANIFEST_NAME]
        for name in before.namelist():
            assert (after.read(name), after.getinfo(name).date_time) == (
                before.read(name),
                before.getinfo(name).date_time,
            )


@pytest.mark.parametrize(
    ("year", "shown"),
    [(1970, (1980, 1, 1, 0, 0, 0)), (2107, (2107, 6, 1, 12, 0, 0)), (2200, (2107, 12, 31, 23, 59, 58))],
)
def test_a_clock_that_is_wrong_by_decades_does_not_prevent_signing(
    year: int, shown: tuple[int, ...], package: Path, pair: KeyPair, passphrase: str
) -> None:
    signed_at = datetime(year, 6, 1, 12, tzinfo=UTC)
    signed = sign(package, pair.private_pem, passphrase, signed_at=signed_at)
    assert verify(signed, [load_public_key(pair.public_pem)]).signed_at == signed_at
    with zipfile.ZipFile(signed) as archive:
        assert archive.getinfo(MANIFEST_NAME).date_time == shown


def test_signing_again_replaces_the_signed_package(package: Path, pair: KeyPair, passphrase: str) -> None:
    sign(package, pair.private_pem, passphrase).write_bytes(b"old")
    signed = sign(package, pair.private_pem, passphrase)
    assert verify(signed, [load_public_key(pair.public_pem)]).image_name == "app.bin"


def test_a_signed_package_is_not_signed_again(package: Path, pair: KeyPair, passphrase: str) -> None:
    signed = sign(package, pair.private_pem, passphrase)
    with pytest.raises(AlreadySignedError):
        sign(signed, pair.private_pem, passphrase)
    assert not (package.parent / "固件 v1_signed_signed.zip").exists()


@pytest.mark.requirement("R044")
@pytest.mark.parametrize("name", ["app.bin", "app.rar", "app"])
def test_only_zips_are_signed(name: str, honest: bytes, pair: KeyPair, passphrase: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(honest)
    with pytest.raises(NotAZipError):
        sign(path, pair.private_pem, passphrase)


@pytest.mark.requirement("R049")
def test_a_wrong_passphrase_signs_nothing(package: Path, pair: KeyPair) -> None:
    with pytest.raises(WrongPassphraseError):
        sign(package, pair.private_pem, "another 1")
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_a_package_that_the_manifest_makes_too_large_is_refused_when_signing(
    package: Path, pair: KeyPair, passphrase: str
) -> None:
    with pytest.raises(TooManyEntriesError):
        sign(package, pair.private_pem, passphrase, limits=PackageLimits(max_entries=2))
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_an_image_is_extracted_once_it_is_verified(signed: bytes, pair: KeyPair, tmp_path: Path) -> None:
    image = tmp_path / "image"
    package = extract_image(io.BytesIO(signed), [load_public_key(pair.public_pem)], image)
    assert image.read_bytes() == IMAGE
    assert package.image_sha256 == sha256(IMAGE).hexdigest()


@pytest.mark.requirement("R023")
def test_no_image_appears_if_the_signature_is_wrong(
    packages: Packages, honest: bytes, pair: KeyPair, tmp_path: Path
) -> None:
    envelope_of_other = packages.sign(packages.zip({"app.bin": b"other"}))
    forged = _with_signature_of(packages.sign(honest), envelope_of_other, packages)
    with pytest.raises(WrongSignatureError):
        extract_image(io.BytesIO(forged), [load_public_key(pair.public_pem)], tmp_path / "image")
    assert list(tmp_path.iterdir()) == []


def _with_signature_of(signed: bytes, other: bytes, packages: Packages) -> bytes:
    """Return a package whose manifest carries the signature over another manifest."""
    entries = {}
    with zipfile.ZipFile(io.BytesIO(signed)) as archive, zipfile.ZipFile(io.BytesIO(other)) as donor:
        for name in archive.namelist():
            entries[name] = archive.read(name)
        payload, _ = entries[MANIFEST_NAME].split(b'"signatures"')
        _, signatures = donor.read(MANIFEST_NAME).split(b'"signatures"')
    entries[MANIFEST_NAME] = payload + b'"signatures"' + signatures
    return packages.zip(entries)


def test_no_image_appears_if_the_last_entry_is_wrong(packages: Packages, pair: KeyPair, tmp_path: Path) -> None:
    signed = packages.sign(packages.zip({"app.bin": IMAGE, "z.txt": b"honest"}, zipfile.ZIP_STORED))
    changed = packages.zip({"app.bin": IMAGE, "z.txt": b"hacked", MANIFEST_NAME: _read(signed, MANIFEST_NAME)})
    with pytest.raises(Exception, match=r"z\.txt"):
        extract_image(io.BytesIO(changed), [load_public_key(pair.public_pem)], tmp_path / "image")
    assert list(tmp_path.iterdir()) == []


def _read(raw: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        content: bytes = archive.read(name)
    return content


def test_memory_does_not_grow_with_the_package(passphrase: str, tmp_path: Path) -> None:
    pair = keygen("ED25519", passphrase)
    small, large = tmp_path / "small.zip", tmp_path / "large.zip"
    for path, blocks in ((small, 1), (large, 64)):
        with zipfile.ZipFile(path, "w") as archive, archive.open("app.bin", "w") as entry:
            for _ in range(blocks):
                entry.write(os.urandom(1024 * 1024))
    peaks = [_peak(path, pair, passphrase) for path in (small, large)]
    assert peaks[1] < peaks[0] + 1024 * 1024


def _peak(path: Path, pair: KeyPair, passphrase: str) -> int:
    import tracemalloc  # noqa: PLC0415 - only here

    tracemalloc.start()
    try:
        verify(sign(path, pair.private_pem, passphrase), [load_public_key(pair.public_pem)])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

"""The verifying process, for real: verdicts, limits, and what it inherits."""

import io
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest
from tests.unit.signing.hostile.corpus import FAMILIES
from tests.unit.signing.hostile.making import Family, trusted_pems

from sluice_signing import KeyPair, keygen, sign
from sluice_signing.adapters.verifier import ProcessVerifier
from sluice_signing.domain.verdict import Accepted, Refused, TrustedKey, Verdict

MIB = 1024 * 1024
PASSPHRASE = "abc123"
IMAGE = os.urandom(3 * MIB)


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return keygen("ED25519", PASSPHRASE)


@pytest.fixture
def image() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield file


def _keys(*pairs: KeyPair) -> list[TrustedKey]:
    return [TrustedKey(ref=f"key-{n}", pem=pair.public_pem.decode()) for n, pair in enumerate(pairs)]


def _signed(folder: Path, pair: KeyPair, image: bytes = IMAGE) -> Path:
    path = folder / "app.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.bin", image)
    return sign(path, pair.private_pem, PASSPHRASE)


async def _verify(
    path: Path, image: BinaryIO, keys: list[TrustedKey], *, memory: int = 512 * MIB, seconds: float = 60
) -> Verdict:
    with path.open("rb") as package:
        return await ProcessVerifier(memory_bytes=memory, time_limit=seconds).verify(package, image, keys)


@pytest.mark.requirement("R023", "R053")
async def test_a_signed_package_yields_its_image(pair: KeyPair, image: BinaryIO, tmp_path: Path) -> None:
    other = keygen("RSA2048+SHA256", PASSPHRASE)
    verdict = await _verify(_signed(tmp_path, pair), image, _keys(other, pair))
    assert isinstance(verdict, Accepted)
    assert (verdict.key_ref, verdict.algorithm, verdict.image_size) == ("key-1", "ED25519", len(IMAGE))
    image.seek(0)
    assert image.read() == IMAGE


async def test_a_refusal_has_code_and_advice(pair: KeyPair, image: BinaryIO, tmp_path: Path) -> None:
    path = tmp_path / "unsigned.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.bin", b"x")
    verdict = await _verify(path, image, _keys(pair))
    assert isinstance(verdict, Refused)
    assert verdict.code == "unsigned"
    assert "sluice-sign sign" in verdict.message


async def test_a_key_that_cannot_be_read_does_not_block_the_others(
    pair: KeyPair, image: BinaryIO, tmp_path: Path
) -> None:
    keys = [TrustedKey(ref="broken", pem="no key"), *_keys(pair)]
    assert isinstance(await _verify(_signed(tmp_path, pair), image, keys), Accepted)


async def test_a_package_over_the_memory_limit_is_refused(pair: KeyPair, image: BinaryIO, tmp_path: Path) -> None:
    verdict = await _verify(_signed(tmp_path, pair), image, _keys(pair), memory=1 * MIB)
    assert isinstance(verdict, Refused)
    assert verdict.code in {"memory_limit", "verifier_failed"}


async def test_a_package_over_the_time_limit_is_refused_and_its_process_ended(
    pair: KeyPair, image: BinaryIO, tmp_path: Path
) -> None:
    began, others = time.monotonic(), psutil.Process().children()
    verdict = await _verify(_signed(tmp_path, pair), image, _keys(pair), seconds=0.01)
    assert time.monotonic() - began < 20
    assert isinstance(verdict, Refused)
    assert verdict.code == "time_limit"
    assert [child for child in psutil.Process().children() if child not in others] == []


async def test_a_process_that_dies_is_a_refusal(
    pair: KeyPair, image: BinaryIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice_signing.adapters.verifier._WORKER", ("-c", "import os; os.abort()"))
    verdict = await _verify(_signed(tmp_path, pair), image, _keys(pair))
    assert isinstance(verdict, Refused)
    assert verdict.code == "verifier_failed"


async def test_the_process_inherits_no_access_data(
    pair: KeyPair, image: BinaryIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_MONGODB_URI", "mongodb://secret")
    peek = "import os, sys; sys.exit(7 if any('SLUICE' in name for name in os.environ) else 8)"
    monkeypatch.setattr("sluice_signing.adapters.verifier._WORKER", ("-c", peek))
    verdict = await _verify(_signed(tmp_path, pair), image, _keys(pair))
    assert isinstance(verdict, Refused)
    assert "status 8" in verdict.message


async def test_memory_stays_small_with_a_large_package(pair: KeyPair, image: BinaryIO, tmp_path: Path) -> None:
    large = bytes(range(256)) * (96 * MIB // 256)
    path = tmp_path / "app.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("app.bin", large)
    signed = sign(path, pair.private_pem, PASSPHRASE)
    verdict = await _verify(signed, image, _keys(pair), memory=128 * MIB)
    assert isinstance(verdict, Accepted)
    assert verdict.image_size == image.seek(0, io.SEEK_END) == len(large)


@pytest.mark.requirement("R023")
@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
async def test_the_process_refuses_every_package_of_a_hostile_family(
    family: Family, image: BinaryIO, tmp_path: Path
) -> None:
    keys = [TrustedKey(ref=f"key-{n}", pem=pem) for n, pem in enumerate(trusted_pems())]
    for number, package in enumerate(family.make()):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(package.raw)
        verdict = await _verify(path, image, keys)
        assert isinstance(verdict, Refused), package.name
        assert verdict.code == family.code, package.name

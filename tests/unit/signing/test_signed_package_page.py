"""`docs/signed-package.md` tells the truth: vector, algorithms, reasons, and the way with OpenSSL."""

import base64
import io
import json
import re
import secrets
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.unit.signing.packages import Packages

from sluice_signing import (
    ALGORITHMS,
    KeyPair,
    PackageLimits,
    PackageRefusedError,
    PrivateKey,
    Release,
    extract_image,
    load_public_key,
    sign,
)
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest
from sluice_signing.domain.manifest import MANIFEST_NAME

PAGE = (Path(__file__).parents[3] / "docs" / "signed-package.md").read_text()
VECTORS = json.loads((Path(__file__).parents[3] / "docs" / "signed-package-vectors.json").read_text())
RFC_8032_TEST_1 = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"


def _block(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


def _zip(language: str) -> bytes:
    return base64.b64decode(_block(language))


RELEASE = Release(manufacturer="Acme", models=("WM-1", "WM-2"), version="1.0", sequence=7)
vectors = pytest.mark.parametrize(("block", "release"), [("signed", None), ("signed-v2", RELEASE)], ids=["v1", "v2"])


@vectors
def test_the_vector_verifies(block: str, release: Release | None, tmp_path: Path) -> None:
    key = load_public_key(_block("pem").encode())
    package = extract_image(io.BytesIO(_zip(block)), [key], tmp_path / "image")
    assert package.release == release
    assert (package.image_name, package.algorithm) == ("app.bin", "ED25519")
    assert f"id `{package.key_id}`" in PAGE
    assert f"{package.image_size} bytes, SHA-256 `{package.image_sha256}`" in PAGE
    assert sha256((tmp_path / "image").read_bytes()).hexdigest() == package.image_sha256


def test_the_payload_of_the_vector_is_the_one_that_is_shown() -> None:
    with zipfile.ZipFile(io.BytesIO(_zip("signed-v2"))) as archive:
        envelope = json.loads(archive.read(MANIFEST_NAME))
    assert base64.b64decode(envelope["payload"]).decode() == _block("payload").strip()


@pytest.mark.parametrize("vector", VECTORS["packages"], ids=lambda v: f"{v['algorithm']} manifest {v['manifest']}")
def test_the_vectors_of_all_algorithms_verify(vector: dict[str, Any], tmp_path: Path) -> None:
    if vector["algorithm"] not in [algorithm.name for algorithm in ALGORITHMS]:
        pytest.skip(f"the installed cryptography does not have {vector['algorithm']}")
    key = load_public_key(vector["public_key"].encode())
    package = extract_image(io.BytesIO(base64.b64decode(vector["signed"])), [key], tmp_path / "image")
    assert (package.algorithm, package.key_id) == (vector["algorithm"], vector["key_id"])
    release = {1: None, 2: msgspec.convert(VECTORS["release"], Release)}[vector["manifest"]]
    assert package.release == release
    assert (tmp_path / "image").read_bytes() == base64.b64decode(VECTORS["image"])


def test_there_is_a_vector_of_every_algorithm() -> None:
    listed = {(vector["algorithm"], vector["manifest"]) for vector in VECTORS["packages"]}
    assert listed >= {(algorithm.name, form) for algorithm in ALGORITHMS for form in (1, 2)}


@vectors
def test_the_vector_is_made_again_byte_by_byte(block: str, release: Release | None) -> None:
    material = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_8032_TEST_1))
    key = PrivateKey(public=load_public_key(_block("pem").encode()), material=material)
    file = io.BytesIO(_zip("original"))
    append_manifest(file, ZipArchive(file, PackageLimits()), key, datetime(2026, 11, 22, 8, 30, tzinfo=UTC), release)
    assert file.getvalue() == _zip(block)


def test_all_algorithms_are_listed_in_order() -> None:
    section = PAGE.split("## Algorithms")[1].split("##")[0]
    listed = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert listed[: len(ALGORITHMS)] == [algorithm.name for algorithm in ALGORITHMS]
    assert set(listed[len(ALGORITHMS) :]) <= {"ML-DSA-65"}


@pytest.fixture
def known_to_openssl(algorithm: str, needs_openssl: Callable[[str], None]) -> None:
    needs_openssl(algorithm)


def _reasons(base: type[PackageRefusedError]) -> Iterator[type[PackageRefusedError]]:
    for reason in base.__subclasses__():
        yield reason
        yield from _reasons(reason)


def test_all_reasons_are_listed_with_their_texts() -> None:
    rows = [f"| `{reason.code}` | {reason.text.replace('!r', '')} |" for reason in _reasons(PackageRefusedError)]
    section = PAGE.split("| code | reason |\n|---|---|\n")[1].split("\n\n")[0]
    assert section.splitlines() == [row.replace(":g}", "}") for row in rows]


@pytest.mark.usefixtures("known_to_openssl")
@pytest.mark.requirement("R022", "R041", "R043")
@pytest.mark.parametrize("algorithm", [algorithm.name for algorithm in ALGORITHMS])
def test_openssl_verifies_as_the_page_says(
    algorithm: str, honest: bytes, key_pair: Callable[[str], KeyPair], passphrase: str, tmp_path: Path
) -> None:
    package = tmp_path / "app.zip"
    package.write_bytes(honest)
    public = tmp_path / "public.pem"
    public.write_bytes(key_pair(algorithm).public_pem)
    for release in (None, RELEASE):
        signed = sign(package, key_pair(algorithm).private_pem, passphrase, release=release)
        assert _openssl(signed, public, tmp_path) == (0, "")
    _change_time_of_signing(signed)
    status, complaint = _openssl(signed, public, tmp_path)
    assert status != 0
    assert "verification failure" in complaint


def _change_time_of_signing(signed: Path) -> None:
    entries = _entries(signed)
    envelope = json.loads(entries[MANIFEST_NAME])
    payload = base64.b64decode(envelope["payload"]).replace(b'"signed_at":"20', b'"signed_at":"19')
    envelope["payload"] = base64.b64encode(payload).decode()
    entries[MANIFEST_NAME] = json.dumps(envelope, separators=(",", ":")).encode()
    signed.write_bytes(Packages.zip(entries))


def _entries(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _openssl(package: Path, public: Path, folder: Path) -> tuple[int, str]:
    """Return the exit status and the complaint of the page's script, run in a new folder as a user runs it."""
    where = folder / secrets.token_hex(4)
    where.mkdir()
    (where / "verify.sh").write_text(_block("sh"))
    command = ["sh", "verify.sh", str(package), str(public)]
    ended = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    # OpenSSL tells some failures on its standard output.
    return ended.returncode, (ended.stdout + ended.stderr).lower() if ended.returncode else ended.stderr


@pytest.fixture
def signed_with_p256(
    packages: Packages,
    key_pair: Callable[[str], KeyPair],
    passphrase: str,
    needs_openssl: Callable[[str], None],
    tmp_path: Path,
) -> Callable[[dict[str, bytes]], Path]:
    """Return a function that signs a package; `public.pem` lies beside it."""
    needs_openssl("ECDSA_P256+SHA256")
    pair = key_pair("ECDSA_P256+SHA256")
    (tmp_path / "public.pem").write_bytes(pair.public_pem)

    def make(entries: dict[str, bytes]) -> Path:
        (tmp_path / "app.zip").write_bytes(packages.zip(entries))
        return sign(tmp_path / "app.zip", pair.private_pem, passphrase)

    return make


@pytest.mark.parametrize("name", ["app.bin", "APP.BIN", "dd/a.bin", "固件 v1.bin"])
def test_the_way_with_openssl_ties_the_image_to_its_name(
    name: str, signed_with_p256: Callable[[dict[str, bytes]], Path], tmp_path: Path
) -> None:
    signed = signed_with_p256({name: b"firmware", "notes/": b"", "notes/a.txt": b"evil!!!!"})
    public = tmp_path / "public.pem"
    assert _openssl(signed, public, tmp_path) == (0, "")
    honest = _entries(signed)
    changes: dict[str, dict[str, bytes]] = {
        "changed": {name: b"FIRMWARE"},
        "exchanged": {name: b"evil!!!!", "notes/a.txt": b"firmware"},
        "added": {"more.bin": b"firmware"},
    }
    for change, entries in changes.items():
        signed.write_bytes(Packages.zip(honest | entries))
        status, complaint = _openssl(signed, public, tmp_path)
        assert status != 0, change
        assert "is not what was signed" in complaint, change
    del honest["notes/a.txt"]
    signed.write_bytes(Packages.zip(honest))
    assert _openssl(signed, public, tmp_path)[1].endswith("notes/a.txt is not what was signed\n")


@pytest.mark.parametrize(("was", "becomes"), [('"algorithm":"ECDSA_P256+SHA256"', '"algorithm":"none"'), ("{", "")])
def test_the_way_with_openssl_refuses_what_names_no_algorithm(
    was: str, becomes: str, signed_with_p256: Callable[[dict[str, bytes]], Path], tmp_path: Path
) -> None:
    signed = signed_with_p256({"app.bin": b"firmware"})
    entries = _entries(signed)
    envelope = json.loads(entries[MANIFEST_NAME])
    payload = base64.b64decode(envelope["payload"]).decode().replace(was, becomes)
    envelope["payload"] = base64.b64encode(payload.encode()).decode()
    entries[MANIFEST_NAME] = json.dumps(envelope, separators=(",", ":")).encode()
    signed.write_bytes(Packages.zip(entries))
    assert _openssl(signed, tmp_path / "public.pem", tmp_path)[0] != 0

"""`docs/signed-package.md` tells the truth: vectors, algorithms and reasons."""

import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from sluice_signing import (
    ALGORITHMS,
    PackageLimits,
    PackageRefusedError,
    PrivateKey,
    Release,
    extract_image,
    load_public_key,
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


def _reasons(base: type[PackageRefusedError]) -> Iterator[type[PackageRefusedError]]:
    for reason in base.__subclasses__():
        yield reason
        yield from _reasons(reason)


def test_all_reasons_are_listed_with_their_texts() -> None:
    rows = [f"| `{reason.code}` | {reason.text.replace('!r', '')} |" for reason in _reasons(PackageRefusedError)]
    section = PAGE.split("| code | reason |\n|---|---|\n")[1].split("\n\n")[0]
    assert section.splitlines() == [row.replace(":g}", "}") for row in rows]

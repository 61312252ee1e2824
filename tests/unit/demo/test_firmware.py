"""The demo's package is one that the platform accepts."""

import hashlib
from pathlib import Path

import pytest

from sluice_demo.firmware import make_package
from sluice_signing.domain.keys import load_public_key
from sluice_signing.library import extract_image


@pytest.mark.requirement("R020", "R021", "R022")
def test_the_package_holds_a_signed_image(tmp_path: Path) -> None:
    package = make_package(tmp_path, "2.0.0", 4096, seed=1)
    image = tmp_path / "image"
    extract_image(package.path, [load_public_key(package.public_pem.encode())], image)
    assert hashlib.sha256(image.read_bytes()).hexdigest() == package.image_sha256
    assert image.stat().st_size == 4096

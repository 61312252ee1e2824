"""Keys and packages for the tests of signing: honest ones, and the means to make hostile ones."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache

import pytest

from sluice_signing import KeyPair, PackageLimits, PrivateKey, VerifiedPackage, keygen, load_private_key, verify
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest

PASSPHRASE = "Correct horse 5"  # noqa: S105 - opens keys of tests only
SIGNED_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


@cache
def _pair(algorithm: str) -> KeyPair:
    return keygen(algorithm, PASSPHRASE)


@cache
def _private(algorithm: str) -> PrivateKey:
    return load_private_key(_pair(algorithm).private_pem, PASSPHRASE)


@pytest.fixture(scope="session")
def passphrase() -> str:
    """Passphrase of all private keys of the tests."""
    return PASSPHRASE


@pytest.fixture(scope="session")
def key_pair() -> Callable[[str], KeyPair]:
    """Return the key pair of an algorithm, the same one all session long."""
    return _pair


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    """Return a key pair where the algorithm does not matter."""
    return _pair("ED25519")


@pytest.fixture(scope="session")
def private_key() -> Callable[[str], PrivateKey]:
    """Return the opened private key of an algorithm."""
    return _private


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    """Return the private key of `pair`."""
    return _private("ED25519")


@cache
def _known_to_openssl() -> str:
    if shutil.which("openssl") is None:
        return ""
    command = ["openssl", "list", "-public-key-algorithms"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - no input
    return "ECDSA RSA ED25519" + (" ML-DSA" if "ML-DSA-65" in listed else "")


@pytest.fixture(scope="session")
def needs_openssl() -> Callable[[str], None]:
    """Return what skips a test unless OpenSSL's command knows an algorithm; ML-DSA came with OpenSSL 3.5."""

    def skip_unless(algorithm: str) -> None:
        if not algorithm.startswith(tuple(_known_to_openssl().split()) or ("?",)):
            pytest.skip(f"OpenSSL's command is not installed or does not know {algorithm}")

    return skip_unless


class Packages:
    """Makes and verifies packages in memory, all with one key."""

    def __init__(self, key: PrivateKey) -> None:
        """Use this key for signing and verifying."""
        self.key = key

    @staticmethod
    def zip(
        entries: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]],
        compression: int = zipfile.ZIP_DEFLATED,
    ) -> bytes:
        """Return a zip as the standard library writes it; a list may repeat names."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in entries.items() if isinstance(entries, Mapping) else entries:
                archive.writestr(name, content)
        return buffer.getvalue()

    def sign(self, raw: bytes, limits: PackageLimits | None = None) -> bytes:
        """Return a package with a valid signature, whatever the entries are: a hostile signer's."""
        file = io.BytesIO(raw)
        append_manifest(file, ZipArchive(file, limits or PackageLimits()), self.key, SIGNED_AT)
        return file.getvalue()

    def verify(self, raw: bytes, limits: PackageLimits | None = None) -> VerifiedPackage:
        """Verify a package against the one key."""
        return verify(io.BytesIO(raw), [self.key.public], limits=limits or PackageLimits())


@pytest.fixture
def packages(key: PrivateKey) -> Packages:
    """Makes and verifies packages."""
    return Packages(key)


IMAGE = bytes(range(256)) * 40


@pytest.fixture
def image() -> bytes:
    """Content of the firmware image."""
    return IMAGE


@pytest.fixture
def honest(packages: Packages) -> bytes:
    """Return an unsigned zip as a user makes it."""
    return packages.zip({"app.bin": IMAGE, "docs/readme.txt": "读我".encode()})


@pytest.fixture
def signed(packages: Packages, honest: bytes) -> bytes:
    """Return the honest zip, signed."""
    return packages.sign(honest)

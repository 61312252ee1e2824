"""Keys and packages for the tests of signing."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from tests.unit.signing.packages import IMAGE, Packages

from sluice_signing import KeyPair, PrivateKey, keygen, load_private_key
from sluice_signing.domain import pkcs8

PASSPHRASE = "Correct horse 5"  # noqa: S105 - opens keys of tests only


@pytest.fixture(scope="session", autouse=True)
def scrypt_cost() -> Iterator[int]:
    """Have private keys opened in no time: tests do so hundreds of times. Yields the cost of keys that are for real."""
    cost = pkcs8._SCRYPT_N  # noqa: SLF001 - a fixture sees inside
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pkcs8, "_SCRYPT_N", 2)
        yield cost


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


@pytest.fixture
def packages(key: PrivateKey) -> Packages:
    """Makes and verifies packages."""
    return Packages(key)


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

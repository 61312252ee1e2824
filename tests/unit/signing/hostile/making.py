"""What hostile packages are made with: keys, zips, signatures, and bytes patched afterwards."""

import io
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import serialization

from sluice_signing import PackageLimits, PrivateKey, PublicKey, keygen, load_private_key
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest
from sluice_signing.domain.manifest import MANIFEST_NAME

MIB = 1024 * 1024
PASSPHRASE = "Hostile corpus 1"  # noqa: S105 - opens keys that live as long as the process
SIGNED_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
IMAGE = b"firmware " * 400
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
BIN = ("app.bin", IMAGE)
Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One package of the corpus.

    Attributes:
        name: What is done to it.
        raw: The file.
        before: The zip before its hostile signer signed it, where its form alone is hostile: signing is refused too.
    """

    name: str
    raw: bytes
    before: bytes | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Packages that are hostile in the same way.

    Attributes:
        name: The family.
        code: The reason that all of them are refused with.
        make: Makes them.
    """

    name: str
    code: str
    make: Callable[[], Iterator[Hostile]]


def signer(algorithm: str = "ED25519") -> PrivateKey:
    """Return a private key whose public half the victim trusts."""
    return _key(algorithm)


@cache
def _key(algorithm: str) -> PrivateKey:
    return load_private_key(keygen(algorithm, PASSPHRASE).private_pem, PASSPHRASE)


_TRUSTED = ("ED25519", "ECDSA_256K1+SHA256", "ECDSA_P256+SHA256", "RSA2048+SHA256")


def trusted() -> list[PublicKey]:
    """Return the public keys that the victim trusts."""
    return [signer(algorithm).public for algorithm in _TRUSTED]


def trusted_pems() -> list[str]:
    """Return them as PEM."""
    return [
        key.material.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        for key in trusted()
    ]


def zipped(entries: Entries, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip as the standard library writes it; names may repeat."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in entries:
                archive.writestr(name, content)
    return buffer.getvalue()


def signed(raw: bytes, key: PrivateKey | None = None) -> bytes:
    """Return a zip with a valid signature, whatever its entries are: a hostile signer's."""
    file = io.BytesIO(raw)
    append_manifest(file, ZipArchive(file, PackageLimits(max_entries=10_000)), key or signer(), SIGNED_AT)
    return file.getvalue()


def honest() -> bytes:
    """Return an honest signed package with a trusted key."""
    return signed(zipped([BIN, ("docs/readme.txt", "读我".encode())]))


def patched(raw: bytes, record: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    """Overwrite bytes of the first (or last) record of a kind."""
    at = (raw.rindex(record) if last else raw.index(record)) + offset
    return raw[:at] + value + raw[at + len(value) :]


def both(raw: bytes, local_offset: int, central_offset: int, value: bytes) -> bytes:
    """Overwrite the same field in the first entry's local header and in its directory record."""
    return patched(patched(raw, LOCAL, local_offset, value), CENTRAL, central_offset, value)


def manifest_of(raw: bytes) -> bytes:
    """Return the content of a package's manifest."""
    return contents(raw)[MANIFEST_NAME]


def contents(raw: bytes) -> dict[str, bytes]:
    """Return the contents of a package, by name."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezipped(raw: bytes, **changes: bytes) -> bytes:
    """Return a package with contents added or changed after it was signed."""
    return zipped(list((contents(raw) | changes).items()))

"""Key pairs: generating, writing as PEM, reading, and their names.

A key id is the SHA-256 of the DER ``SubjectPublicKeyInfo`` (RFC 5280 §4.1.2.7) in hex: everyone
who has the public key can compute it, and no two keys share one. Files are not touched here.
"""

import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from sluice_signing.domain.algorithms import algorithm_named, algorithm_of
from sluice_signing.domain.errors import BadKeyError, WrongPassphraseError
from sluice_signing.domain.passphrases import check_passphrase
from sluice_signing.domain.pkcs8 import encrypt_private_key
from sluice_signing.domain.signature_schemes import Algorithm

_ENCRYPTED_PEM = re.compile(
    rb"-----BEGIN ENCRYPTED PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END ENCRYPTED PRIVATE KEY-----"
)
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key pair as it is written to files.

    Attributes:
        algorithm: Name of the algorithm that it is bound to.
        key_id: Name of the key.
        private_pem: PKCS #8, encrypted under the passphrase.
        public_pem: SubjectPublicKeyInfo.
    """

    algorithm: str
    key_id: str
    private_pem: bytes
    public_pem: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies.

    Attributes:
        key_id: Name of the key.
        algorithm: The only algorithm that it is used with.
        material: The key itself.
    """

    key_id: str
    algorithm: Algorithm
    material: PublicKeyTypes

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether the signature over the message was made by this key's owner."""
        return self.algorithm.verifies(self.material, signature, message)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs; never shown.

    Attributes:
        public: Its public half.
        material: The key itself.
    """

    public: PublicKey
    material: PrivateKeyTypes

    def __repr__(self) -> str:
        return f"PrivateKey(key_id={self.public.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message."""
        return self.public.algorithm.sign(self.material, message)


def keygen(algorithm: str, passphrase: str) -> KeyPair:
    """Generate a key pair (R041, R042).

    Raises:
        UnknownAlgorithmError: No algorithm has that name.
        WeakPassphraseError: The passphrase is shorter or simpler than the rule allows.
    """
    row = algorithm_named(algorithm)
    check_passphrase(passphrase)
    private = row.generate()
    public = _public(private.public_key())
    der = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return KeyPair(
        algorithm=row.name,
        key_id=public.key_id,
        private_pem=encrypt_private_key(der, _octets(passphrase)),
        public_pem=public.material.public_bytes(serialization.Encoding.PEM, _SPKI),
    )


def load_public_key(pem: bytes) -> PublicKey:
    """Read a public key from PEM.

    Raises:
        BadKeyError: It is no public key in PEM, or of no known algorithm.
    """
    try:
        material = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKeyError(kind="public", detail="no public key in PEM format") from error
    return _public(material)


def load_private_key(pem: bytes, passphrase: str) -> PrivateKey:
    """Read a private key from PEM and open it (R043, R049).

    Raises:
        BadKeyError: It is no encrypted private key in PEM, or of no known algorithm.
        WrongPassphraseError: The passphrase does not open it.
    """
    if not _ENCRYPTED_PEM.fullmatch(pem.strip()):
        raise BadKeyError(kind="private", detail="no PKCS #8 PEM file with a passphrase")
    try:
        # The library refuses an empty passphrase with a TypeError; none opens a key of ours.
        material = serialization.load_pem_private_key(pem, _octets(passphrase) or b"\0")
    except UnsupportedAlgorithm as error:
        raise BadKeyError(kind="private", detail="its encryption is not supported") from error
    except ValueError as error:
        # One wrong passphrase in 256 decrypts to well-padded noise, which fails to parse instead.
        raise WrongPassphraseError from error
    return PrivateKey(public=_public(material.public_key()), material=material)


def _octets(passphrase: str) -> bytes:
    # Bytes that a terminal or environment gave and that are no UTF-8 go in as they came.
    return passphrase.encode(errors="surrogateescape")


def _public(material: PublicKeyTypes) -> PublicKey:
    der = material.public_bytes(serialization.Encoding.DER, _SPKI)
    return PublicKey(hashlib.sha256(der).hexdigest(), algorithm_of(material), material)

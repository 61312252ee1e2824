"""The signature schemes that algorithms are made of: ECDSA, RSA, Ed25519 and ML-DSA.

Each signs and verifies a whole message and fixes hash, padding and salt. A signature has one accepted form: an ECDSA
signature ``(r, s)`` has a twin ``(r, n - s)`` that is valid as well, so only the one with the lower ``s`` counts, in
minimal DER. Key files and passphrases are not handled here.
"""

from dataclasses import dataclass
from typing import Protocol, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # added to the library after the first version that serves us
    mldsa = None  # type: ignore[assignment]

_RSA_EXPONENT = 65537


class Algorithm(Protocol):
    """One row of the table."""

    @property
    def name(self) -> str:
        """Name as users and manifests write it."""

    def generate(self) -> PrivateKeyTypes:
        """Return a new private key of the kind that this algorithm owns."""

    def owns(self, key: PublicKeyTypes) -> bool:
        """Return whether a public key is bound to this algorithm."""

    def sign(self, key: PrivateKeyTypes, message: bytes) -> bytes:
        """Return the signature over a message by a key that this algorithm owns."""

    def verifies(self, key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
        """Return whether a signature is the one valid encoding of one over the message."""

    def is_twin(self, signature: bytes) -> bool:
        """Return whether a signature has the form that is never accepted, though it may be valid."""


@dataclass(frozen=True, slots=True)
class Ecdsa:
    """ECDSA with SHA-256 on one curve, signature in DER with the low ``s``.

    Attributes:
        name: Name as users write it.
        curve: The curve that keys lie on.
        order: Order n of the curve's base point (SEC 2 §2.4).
    """

    name: str
    curve: ec.EllipticCurve
    order: int

    def generate(self) -> PrivateKeyTypes:
        """Return a new private key on the curve."""
        return ec.generate_private_key(self.curve)

    def owns(self, key: PublicKeyTypes) -> bool:
        """Return whether the key lies on the curve."""
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == self.curve.name

    def sign(self, key: PrivateKeyTypes, message: bytes) -> bytes:
        """Return the DER signature with the low ``s``."""
        r, s = decode_dss_signature(cast("ec.EllipticCurvePrivateKey", key).sign(message, ec.ECDSA(hashes.SHA256())))
        return encode_dss_signature(r, min(s, self.order - s))

    def verifies(self, key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
        """Return whether the signature is valid, minimal DER and has the low ``s``."""
        try:
            r, s = decode_dss_signature(signature)
            cast("ec.EllipticCurvePublicKey", key).verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature):
            return False
        return 2 * s <= self.order and encode_dss_signature(r, s) == signature

    def is_twin(self, signature: bytes) -> bool:
        """Return whether the signature has the high ``s`` (BIP 146) or DER that is not minimal."""
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            return False
        return 2 * s > self.order or encode_dss_signature(r, s) != signature


@dataclass(frozen=True, slots=True)
class Rsa:
    """RSA with SHA-256 at one key size, with PKCS #1 v1.5 or PSS padding (RFC 8017 §8).

    Attributes:
        name: Name as users write it.
        key_bits: Size of the modulus in bits; tells the rows apart.
        pss: Whether the padding is PSS with MGF1-SHA-256 and a salt of 32 bytes.
    """

    name: str
    key_bits: int
    pss: bool

    def generate(self) -> PrivateKeyTypes:
        """Return a new private key of the row's size."""
        return rsa.generate_private_key(_RSA_EXPONENT, self.key_bits)

    def owns(self, key: PublicKeyTypes) -> bool:
        """Return whether the key has the row's size and the usual exponent."""
        return (
            isinstance(key, rsa.RSAPublicKey)
            and key.key_size == self.key_bits
            and key.public_numbers().e == _RSA_EXPONENT
        )

    def sign(self, key: PrivateKeyTypes, message: bytes) -> bytes:
        """Return the signature, as long as the modulus."""
        return cast("rsa.RSAPrivateKey", key).sign(message, self._padding(), hashes.SHA256())

    def verifies(self, key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
        """Return whether the signature is valid under the row's padding."""
        try:
            cast("rsa.RSAPublicKey", key).verify(signature, message, self._padding(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def is_twin(self, signature: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: there is only one form, a number below the modulus, of the modulus's length (RFC 8017 §8)."""
        return False

    def _padding(self) -> padding.PKCS1v15 | padding.PSS:
        if self.pss:
            return padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        return padding.PKCS1v15()


@dataclass(frozen=True, slots=True)
class Ed25519:
    """Pure Ed25519 (RFC 8032 §5.1).

    Attributes:
        name: Name as users write it.
    """

    name: str

    def generate(self) -> PrivateKeyTypes:
        """Return a new private key."""
        return ed25519.Ed25519PrivateKey.generate()

    def owns(self, key: PublicKeyTypes) -> bool:
        """Return whether the key is an Ed25519 key."""
        return isinstance(key, ed25519.Ed25519PublicKey)

    def sign(self, key: PrivateKeyTypes, message: bytes) -> bytes:
        """Return the signature of 64 bytes."""
        return cast("ed25519.Ed25519PrivateKey", key).sign(message)

    def verifies(self, key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
        """Return whether the signature is valid."""
        try:
            cast("ed25519.Ed25519PublicKey", key).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def is_twin(self, signature: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: there is only one form, scalars from the order on are refused (RFC 8032 §5.1.7)."""
        return False


@dataclass(frozen=True, slots=True)
class MlDsa65:
    """ML-DSA-65, pure, with an empty context (FIPS 204 §5); for keys that must outlive RSA and curves.

    Attributes:
        name: Name as users write it.
    """

    name: str

    def generate(self) -> PrivateKeyTypes:
        """Return a new private key."""
        return mldsa.MLDSA65PrivateKey.generate()

    def owns(self, key: PublicKeyTypes) -> bool:
        """Return whether the key is an ML-DSA-65 key."""
        return isinstance(key, mldsa.MLDSA65PublicKey)

    def sign(self, key: PrivateKeyTypes, message: bytes) -> bytes:
        """Return the signature of 3,309 bytes; it differs each time."""
        return cast("mldsa.MLDSA65PrivateKey", key).sign(message)

    def verifies(self, key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
        """Return whether the signature is valid."""
        try:
            cast("mldsa.MLDSA65PublicKey", key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def is_twin(self, signature: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: there is only one form, ML-DSA is strongly unforgeable (FIPS 204 §3.2)."""
        return False


def has_ml_dsa() -> bool:
    """Return whether the installed library, and the OpenSSL in it, have ML-DSA."""
    if mldsa is None:
        return False  # type: ignore[unreachable]
    try:
        mldsa.MLDSA65PrivateKey.from_seed_bytes(bytes(32))
    except UnsupportedAlgorithm:
        return False
    return True

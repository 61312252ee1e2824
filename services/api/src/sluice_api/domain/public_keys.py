"""Public keys of manufacturers: what makes one acceptable, and what may become of it.

A key is ACTIVE (packages are verified by it), INACTIVE (no new ones are, those that it verified stay) or REVOKED (those
too must not be used any more; nothing leads back). To rotate, add the new key, sign with it, deactivate the old one.
DELETING is a key whose deletion has begun: what is verified by it from then on is rejected, as nothing could revoke it.
How an algorithm signs is the signing service's table; here is only which keys it has a row for.
"""

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus
from sluice_api.domain.weak_keys import why_weak
from sluice_common.reasons import ReasonCode

_ML_DSA: tuple[type, ...]
try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
except ImportError:  # added to the library after the first version that serves us
    _ML_DSA = ()
else:
    _ML_DSA = (MLDSA65PublicKey,)

_RSA_BITS = (2048, 3072)
_RSA_EXPONENT = 65537
_PEM_BEGIN = "-----BEGIN "
"""Of every block (RFC 7468 §2)."""
_CURVES = ("secp256k1", "secp256r1")
_KINDS = "RSA of 2048 or 3072 bits with the exponent 65537, the curves secp256k1 and P-256, Ed25519 and ML-DSA-65"


def read_public_key(pem: str) -> tuple[str, str, str]:
    """Return fingerprint (SHA-256 of the DER form, hex), algorithm and normalised PEM of a public key.

    Raises:
        InvalidError: Not exactly one public key, not of a kind that can sign packages, or anybody can sign by it.
    """
    if pem.count(_PEM_BEGIN) != 1:
        # Of several the library reads the first: which one the user meant is not ours to guess.
        raise InvalidError("pem", "not exactly one public key in PEM form", "bad_public_key")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidError("pem", "not a public key in PEM form", "bad_public_key") from error
    algorithm = _algorithm(key)
    if algorithm is None:
        raise InvalidError("pem", f"packages are signed with {_KINDS}", "bad_public_key")
    if (why := why_weak(key)) is not None:
        raise InvalidError("pem", why, "bad_public_key")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    normal = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return hashlib.sha256(der).hexdigest(), algorithm, normal


def _algorithm(key: PublicKeyTypes) -> str | None:
    if isinstance(key, rsa.RSAPublicKey):
        usable = key.key_size in _RSA_BITS and key.public_numbers().e == _RSA_EXPONENT
        return f"RSA-{key.key_size}" if usable else None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return f"EC-{key.curve.name}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, _ML_DSA):
        return "ML-DSA-65"
    return None


def why_unusable(key: KeyStatus | None) -> ReasonCode | None:
    """Return why packages that a key has verified must not be used, None if they may.

    Args:
        key: Its status, None if it is not there any more.
    """
    if key is None or key is KeyStatus.DELETING:
        return ReasonCode.KEY_DELETED
    return ReasonCode.KEY_REVOKED if key is KeyStatus.REVOKED else None


def require_usable(key: KeyStatus) -> None:
    """Check that a key may change.

    Raises:
        ConflictError: It is revoked, and stays so; or its deletion has begun, which is completed.
    """
    match why_unusable(key):
        case ReasonCode.KEY_REVOKED:
            detail = "The key is revoked, for ever; it stays, so that it cannot be added again."
            raise ConflictError("key_revoked", detail)
        case ReasonCode.KEY_DELETED:
            raise ConflictError("key_deleted", "The deletion of the key has begun; repeat it, or revoke the key.")

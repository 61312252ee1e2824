"""Client secrets: made here, stored only as scrypt hashes (RFC 7914)."""

import hashlib
import hmac
import os
import secrets

_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
"""16 MiB and about 50 ms per check: the interactive parameters of RFC 7914 §2."""
_SALT_BYTES = 16


def new_secret() -> str:
    """Return a fresh secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return `scrypt$salt$hash`, hex, with a fresh salt."""
    salt = os.urandom(_SALT_BYTES)
    return f"scrypt${salt.hex()}${_derive(secret, salt).hex()}"


def is_secret(secret: str, hashed: str) -> bool:
    """Return whether a secret has this hash; compares in constant time."""
    _, salt, digest = hashed.split("$")
    return hmac.compare_digest(_derive(secret, bytes.fromhex(salt)), bytes.fromhex(digest))


def _derive(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)

"""Client secrets, stored only as hashes: scrypt (RFC 7914) of those that people choose, SHA-256 of those made here.

What has 256 random bits cannot be guessed, however cheap a guess is; and to check it costs next to nothing.
"""

import hashlib
import hmac
import os
import secrets

_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
"""16 MiB and about 50 ms per check: the interactive parameters of RFC 7914 §2."""
_SALT_BYTES = 16
_FAST = "sha256"


def new_secret() -> str:
    """Return a fresh secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return `scrypt$salt$hash`, hex, with a fresh salt."""
    salt = os.urandom(_SALT_BYTES)
    return f"scrypt${salt.hex()}${_derive(secret, salt).hex()}"


def hash_random_secret(secret: str) -> str:
    """Return `sha256$salt$hash`, hex, of a secret that was made by `new_secret`."""
    salt = os.urandom(_SALT_BYTES)
    return f"{_FAST}${salt.hex()}${_digest(secret, salt).hex()}"


def is_slow(hashed: str) -> bool:
    """Return whether checking a secret against a hash takes as long as 50 ms."""
    return not hashed.startswith(f"{_FAST}$")


def is_secret(secret: str, hashed: str) -> bool:
    """Return whether a secret has this hash; compares in constant time."""
    kind, salt, digest = hashed.split("$")
    hash_of = _digest if kind == _FAST else _derive
    return hmac.compare_digest(hash_of(secret, bytes.fromhex(salt)), bytes.fromhex(digest))


def _digest(secret: str, salt: bytes) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


def _derive(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)

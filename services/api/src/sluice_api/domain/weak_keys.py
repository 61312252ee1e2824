"""Public keys of the right kind for which others than their owner can sign.

The same rules as `sluice_signing.domain.weak_keys`, which the offline tool needs without the platform's libraries; a
test holds them together.
"""

from math import gcd

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_P = 2**255 - 19
_SIGN_BIT = 1 << 255
_Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_Y_OF_SMALL_ORDER = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})
"""The second coordinates of Ed25519's eight points of order 1, 2, 4 and 8 (RFC 7748 §7)."""
_SMALL_PRIMES = 2 * 3 * 5 * 7 * 11 * 13 * 17 * 19 * 23 * 29 * 31 * 37 * 41 * 43 * 47 * 53 * 59 * 61 * 67 * 71


def why_weak(key: PublicKeyTypes) -> str | None:
    """Return why a key must not be trusted though it is of the right kind, None if nothing speaks against it."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        y = int.from_bytes(key.public_bytes(Encoding.Raw, PublicFormat.Raw), "little") % _SIGN_BIT
        if y % _P in _Y_OF_SMALL_ORDER:
            return "its point is of small order: one signature would fit any message"
        return None if y < _P else "its point is not encoded in the one canonical way"
    if isinstance(key, rsa.RSAPublicKey):
        modulus = key.public_numbers().n
        # Fermat's test: whoever has a prime modulus, or one with a small factor, has the private key.
        if gcd(modulus, _SMALL_PRIMES) > 1 or pow(2, modulus - 1, modulus) == 1:
            return "its modulus is no product of two large primes: anybody could sign"
    return None

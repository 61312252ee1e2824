"""Private keys as PKCS #8 under a passphrase, with scrypt as the key derivation.

``cryptography`` reads such files but writes only PBKDF2 with few rounds, so the few lines of DER
are put together here. OpenSSL 1.1 and later read the result. Bounds and rules of passphrases are
not checked here.
"""

import base64
import os
import textwrap

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

# About 80 ms and 16 MiB. A greater N would exceed the 32 MiB that OpenSSL allows by default;
# five lanes make up for it (OWASP password storage: N = 2^14, r = 8, p = 5).
_SCRYPT_N = 2**14
_SCRYPT_R = 8
_SCRYPT_P = 5
_SALT_BYTES = 16
_KEY_BYTES = 32
_BLOCK_BITS = 128

_SEQUENCE = 0x30
_INTEGER = 0x02
_OCTET_STRING = 0x04
_SHORT_LENGTH = 0x80
# Object identifiers, already encoded with tag and length.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13, RFC 8018 §A.4
_SCRYPT = bytes.fromhex("06092b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11, RFC 7914 §7
_AES256_CBC = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42


def encrypt_private_key(der: bytes, passphrase: bytes) -> bytes:
    """Return an encrypted private key as PEM (RFC 5958 §3, RFC 8018 §6.2, RFC 7914 §7).

    Args:
        der: The private key as PKCS #8 ``PrivateKeyInfo``, unencrypted.
        passphrase: What will open it.
    """
    salt, iv = os.urandom(_SALT_BYTES), os.urandom(_BLOCK_BITS // 8)
    key = Scrypt(salt, _KEY_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(passphrase)
    derivation = _der(
        _SEQUENCE,
        _SCRYPT,
        _der(_SEQUENCE, _der(_OCTET_STRING, salt), *map(_integer, (_SCRYPT_N, _SCRYPT_R, _SCRYPT_P))),
    )
    encryption = _der(_SEQUENCE, _AES256_CBC, _der(_OCTET_STRING, iv))
    scheme = _der(_SEQUENCE, _PBES2, _der(_SEQUENCE, derivation, encryption))
    return _pem(_der(_SEQUENCE, scheme, _der(_OCTET_STRING, _encrypt(der, key, iv))))


def _encrypt(plain: bytes, key: bytes, iv: bytes) -> bytes:
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return encryptor.update(padded) + encryptor.finalize()


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < _SHORT_LENGTH:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, _SHORT_LENGTH | len(length))) + length + body


def _integer(value: int) -> bytes:
    # One bit more than the value needs keeps the sign bit clear.
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _pem(der: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    label = "ENCRYPTED PRIVATE KEY"
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()

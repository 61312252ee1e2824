"""Secrets at rest: sealed with a key of the platform, so that a copy of the database tells none of them.

A sealed secret is a Fernet token (AES-128-CBC and HMAC-SHA256, `cryptography`'s specification of Fernet). Each key of
the setting `sealing_keys` gives one Fernet key by HKDF-SHA256 (RFC 5869), so that any text of enough characters serves.
The first key seals and all open: to rotate, put a new key first, restart, run `reseal` of the API, drop the old one.

It leaves out which document a secret belongs to: who can write the database can swap two of them.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sluice_common.settings import MIN_KEY_CHARACTERS

_KEY_BYTES = 32
_PURPOSE = b"sluice sealing"


class SealingError(ValueError):
    """A secret can be neither sealed nor opened; the text says what to do."""


class NoSealingKeyError(SealingError):
    """No key is set."""

    def __init__(self) -> None:
        super().__init__("no sealing key is set: set SLUICE_SEALING_KEYS or SLUICE_SEALING_KEYS_FILE")


class CannotOpenError(SealingError):
    """None of the keys has sealed this, or it was changed."""

    def __init__(self) -> None:
        super().__init__("none of the sealing keys opens this secret: add the key that sealed it to the list")


class Sealer:
    """Seals and opens secrets.

    Args:
        keys: Keys of at least 32 characters; the first seals, all open. Without any it can be made, but not used, so
            that a development system without secrets needs none.

    Raises:
        SealingError: A key is too short.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if any(len(key) < MIN_KEY_CHARACTERS for key in keys):
            raise SealingError(f"a sealing key needs at least {MIN_KEY_CHARACTERS} characters")
        boxes = [Fernet(_fernet_key(key)) for key in keys]
        self._first = boxes[0] if boxes else None
        self._all = MultiFernet(boxes) if boxes else None

    def __repr__(self) -> str:
        return "Sealer()"

    @property
    def has_key(self) -> bool:
        """Return whether it can seal."""
        return self._first is not None

    def seal(self, secret: bytes) -> str:
        """Return a secret sealed with the first key.

        Raises:
            NoSealingKeyError: There is none.
        """
        if self._first is None:
            raise NoSealingKeyError
        return self._first.encrypt(secret).decode()

    def open(self, sealed: str) -> bytes:
        """Return what was sealed with any of the keys.

        Raises:
            NoSealingKeyError: There are none.
            CannotOpenError: None of them has sealed this, or it was changed.
        """
        if self._all is None:
            raise NoSealingKeyError
        return _opened(self._all, sealed)

    def is_current(self, sealed: str) -> bool:
        """Return whether the first key has sealed this.

        Raises:
            NoSealingKeyError: There is none.
        """
        if self._first is None:
            raise NoSealingKeyError
        try:
            _opened(self._first, sealed)
        except CannotOpenError:
            return False
        return True


def _opened(box: Fernet | MultiFernet, sealed: str) -> bytes:
    try:
        return box.decrypt(sealed.encode())
    except InvalidToken as error:
        raise CannotOpenError from error


def _fernet_key(key: str) -> bytes:
    return urlsafe_b64encode(derived(key, _PURPOSE))


def derived(key: str, purpose: bytes) -> bytes:
    """Return the 32 bytes that a key of a setting stands for; those for another purpose tell nothing of them."""
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(key.encode())

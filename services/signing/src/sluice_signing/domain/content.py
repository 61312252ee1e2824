"""What is kept of a content while it streams by: its digest, and a look at its first bytes."""

import hashlib

from sluice_signing.domain.errors import NestedArchiveError
from sluice_signing.domain.zip_layout import END_SIGNATURE, LOCAL_SIGNATURE

_SIGNATURE_BYTES = len(LOCAL_SIGNATURE)


class ContentDigest:
    """SHA-256 of an entry's content, fed piece by piece; refuses content that is itself a zip."""

    def __init__(self, name: str) -> None:
        """Begin for the entry of this name."""
        self._name = name
        self._sha256 = hashlib.sha256()
        self._head = b""

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        if len(self._head) < _SIGNATURE_BYTES:
            self._head += piece[:_SIGNATURE_BYTES]
        self._sha256.update(piece)

    def finish(self) -> str:
        """Return the digest in hex.

        Raises:
            NestedArchiveError: The content begins as a zip archive does, whatever its name.
        """
        if self._head.startswith((LOCAL_SIGNATURE, END_SIGNATURE)):
            raise NestedArchiveError(name=self._name)
        return self._sha256.hexdigest()

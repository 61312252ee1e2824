"""What is kept of a content while it is read piece by piece: its digest, and its two ends."""

import hashlib

from sluice_signing.domain.errors import NestedArchiveError
from sluice_signing.domain.nested import HEAD_BYTES, TAIL_BYTES, is_zip


class ContentDigest:
    """SHA-256 of an entry's content, fed piece by piece; refuses content that is itself a zip."""

    def __init__(self, name: str) -> None:
        """Begin for the entry of this name."""
        self._name = name
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._head = b""
        self._tail = bytearray()

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._size += len(piece)
        if len(self._head) < HEAD_BYTES:
            self._head += piece[:HEAD_BYTES]
        self._tail += piece
        del self._tail[:-TAIL_BYTES]
        self._sha256.update(piece)

    def finish(self) -> str:
        """Return the digest in hex.

        Raises:
            NestedArchiveError: The content can be opened as a zip archive, whatever its name.
        """
        if is_zip(self._head, self._tail, self._size):
            raise NestedArchiveError(name=self._name)
        return self._sha256.hexdigest()

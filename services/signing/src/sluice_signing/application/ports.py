"""What the offline use cases need of the world around them; the adapters provide it."""

from collections.abc import Iterator
from typing import Protocol

from sluice_signing.domain.zip_layout import Directory, Entry


class Archive(Protocol):
    """A zip whose layout has been checked from the first byte to the last."""

    @property
    def directory(self) -> Directory:
        """Where the central directory lies."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its entries, in the directory's order."""

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Yield an entry's content in pieces.

        Raises:
            PackageRefusedError: At the end at the latest, if the content is damaged or has another
                size than the directory says.
        """

"""Files that the platform offers for download."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """One file.

    Attributes:
        content: Its bytes.
        sha256: Their digest, hex.
    """

    content: bytes
    sha256: str


class ToolRepository(Protocol):
    """The files; the services that they belong to put them there."""

    async def get(self, name: str) -> Tool:
        """Return a file by its name.

        Raises:
            UnavailableError: It is not there yet: its service has not started since the database was made.
        """
        ...

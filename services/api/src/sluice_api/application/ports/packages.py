"""Packages and their files."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from sluice_api.application.ports.repository import Repository
from sluice_api.domain.models import Package, PackageFilter
from sluice_api.domain.outbox import OutboxMessage


class PackageFile(Protocol):
    """A file on its way into the store."""

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        ...

    async def keep(self) -> None:
        """Complete the file; without this nothing stays of it."""
        ...


class PackageRepository(Repository[Package, PackageFilter], Protocol):
    """The packages."""

    def upload(self, package_id: str, app_id: str, at: datetime) -> AbstractAsyncContextManager[PackageFile]:
        """Begin the file of a package."""
        ...

    async def add(self, package: Package, message: OutboxMessage) -> None:
        """Store a package whose file is there, together with its message.

        Raises:
            ConflictError: It exists already.
        """
        ...

    async def content(self, package_id: str) -> AsyncIterator[bytes]:
        """Return the uploaded zip piece by piece.

        Raises:
            NotFoundError: The file is gone.
        """
        ...

    async def set_deleting(self, package_id: str, *, deleting: bool) -> None:
        """Note that the deletion of a package has begun, or was refused."""
        ...

    async def delete_files(self, package: Package) -> None:
        """Delete the zip and the image of a package; they may be gone already."""
        ...

"""Credentials beside those with which apps were made."""

from typing import Protocol

from sluice_api.application.ports.repository import Repository
from sluice_api.domain.models import Credential, CredentialFilter


class CredentialRepository(Repository[Credential, CredentialFilter], Protocol):
    """The credentials; deleting one revokes it."""

    async def put(self, credential: Credential) -> None:
        """Store a credential, or another in its place: one whose creation was interrupted."""
        ...

    async def count(self, app_id: str) -> int:
        """Return how many the app has."""
        ...

    async def of_client(self, client_id: str) -> Credential | None:
        """Return the credential of a client id, whoever's; None if there is none."""
        ...

    async def delete_all(self, app_id: str) -> None:
        """Delete all credentials of an app."""
        ...

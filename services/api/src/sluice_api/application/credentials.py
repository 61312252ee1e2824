"""Who may call: apps and their credentials, with their secrets and scopes."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sluice_api.application.ports import AppRepository, CredentialRepository
from sluice_api.domain import secrets
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import App, Credential, Principal

_REMEMBERED = 1.0
"""Seconds for which a credential that was there is taken to be: one that is revoked is refused as soon."""
_MAX_REMEMBERED = 10_000
_MAX_OF_AN_APP = 100
_HASHES_AT_ONCE = 2
"""Each takes 16 MiB and 50 ms of a core: guessing secrets must not use up the machine."""


class Credentials:
    """Makes apps and credentials with secrets and checks them.

    An app has a credential of its own id with every scope, from its creation on, and may have others.

    Args:
        apps: The apps.
        others: Their other credentials.
        monotonic: Seconds, for remembering.
    """

    def __init__(self, apps: AppRepository, others: CredentialRepository, monotonic: Callable[[], float]) -> None:
        self._apps = apps
        self._others = others
        self._monotonic = monotonic
        self._seen: dict[str, tuple[float, Principal]] = {}
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)

    async def create(self, app_id: str, name: str, secret: str, at: datetime) -> App:
        """Create an app, or again one whose creation was interrupted."""
        app = App(app_id=app_id, name=name, secret_hash=await self._hash(secret), created_at=at)
        await self._apps.put(app)
        return app

    async def create_first(self, app_id: str, secret: str, at: datetime) -> None:
        """Create the first app unless it exists; a changed secret becomes its secret."""
        app = await self._apps.find(app_id)
        if app is None:
            first = App(app_id=app_id, name="first app", secret_hash=await self._hash(secret), created_at=at)
            await self._apps.add(first)
        elif not await self._is_secret(secret, app.secret_hash):
            await self._apps.set_secret_hash(app_id, await self._hash(secret), at)

    async def add(self, credential: Credential) -> None:
        """Give an app another credential, or again one whose creation was interrupted.

        Raises:
            ConflictError: It has as many as an app may have.
        """
        if await self._others.count(credential.app_id) >= _MAX_OF_AN_APP:
            detail = f"An app has at most {_MAX_OF_AN_APP}; revoke those that are not needed."
            raise ConflictError("too_many_credentials", detail)
        await self._others.put(credential)

    async def revoke(self, app_id: str, client_id: str) -> None:
        """Revoke a credential with all its tokens.

        Raises:
            NotFoundError: The app has none of that id.
            ConflictError: It is the one that the app was made with.
        """
        if client_id == app_id:
            raise ConflictError(
                "first_credential", "The administrator changes the secret of this one, or the settings do."
            )
        await self._others.delete(app_id, client_id)
        self._seen.pop(client_id, None)

    async def renew_app_secret(self, app_id: str, secret: str, at: datetime) -> None:
        """Give the credential that an app was made with another secret; its tokens are worth nothing from then on.

        Raises:
            NotFoundError: There is no such app.
        """
        await self._apps.get(app_id)
        await self._apps.set_secret_hash(app_id, await self._hash(secret), at)
        self._seen.pop(app_id, None)

    async def are_valid(self, client_id: str, secret: str) -> bool:
        """Return whether a client id has this secret."""
        found = await self._apps.find(client_id) or await self._of_an_app(client_id)
        return found is not None and await self._is_secret(secret, found.secret_hash)

    async def principal(self, client_id: str) -> Principal | None:
        """Return for whom a client id calls; None if there is none (any more). Remembered for a second."""
        now = self._monotonic()
        at, principal = self._seen.get(client_id, (-_REMEMBERED, None))
        if principal is not None and now - at < _REMEMBERED:
            return principal
        found = await self._find(client_id)
        if found is not None:
            if len(self._seen) >= _MAX_REMEMBERED:
                self._seen.clear()
            self._seen[client_id] = (now, found)
        return found

    async def _find(self, client_id: str) -> Principal | None:
        if (app := await self._apps.find(client_id)) is not None:
            since = app.secret_since.timestamp() if app.secret_since else 0.0
            return Principal(client_id=client_id, app_id=client_id, since=since)
        if (credential := await self._of_an_app(client_id)) is not None:
            return Principal(client_id=client_id, app_id=credential.app_id, scopes=credential.scopes)
        return None

    async def _of_an_app(self, client_id: str) -> Credential | None:
        """Return a credential; one that was being made while its app was deleted is none."""
        credential = await self._others.of_client(client_id)
        return None if credential is None or await self._apps.find(credential.app_id) is None else credential

    async def delete_app(self, app_id: str) -> None:
        """Delete an app that owns nothing any more, with its credentials.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It owns something.
        """
        await self._apps.get(app_id)
        if (kind := await self._apps.owned_kind(app_id)) is not None:
            raise ConflictError("app_not_empty", f"The app still owns {kind}; delete them first.")
        await self._apps.delete(app_id)
        await self._others.delete_all(app_id)
        self._seen.clear()

    async def _hash(self, secret: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(secrets.hash_secret, secret)

    async def _is_secret(self, secret: str, hashed: str) -> bool:
        if not secrets.is_slow(hashed):
            return secrets.is_secret(secret, hashed)
        async with self._hashing:
            return await asyncio.to_thread(secrets.is_secret, secret, hashed)

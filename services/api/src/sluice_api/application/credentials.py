"""Apps with their secrets, and whether they still exist."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sluice_api.application.ports import AppRepository
from sluice_api.domain import secrets
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import App

_REMEMBERED = 5.0
"""Seconds for which an app that exists is taken to exist."""
_HASHES_AT_ONCE = 2
"""Each takes 16 MiB and 50 ms of a core: guessing secrets must not use up the machine."""


class Credentials:
    """Makes apps with secrets and checks them.

    Args:
        apps: The apps.
        monotonic: Seconds, for remembering.
    """

    def __init__(self, apps: AppRepository, monotonic: Callable[[], float]) -> None:
        self._apps = apps
        self._monotonic = monotonic
        self._seen: dict[str, float] = {}
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
            await self._apps.set_secret_hash(app_id, await self._hash(secret))

    async def are_valid(self, app_id: str, secret: str) -> bool:
        """Return whether an app has this secret."""
        app = await self._apps.find(app_id)
        return app is not None and await self._is_secret(secret, app.secret_hash)

    async def app_exists(self, app_id: str) -> bool:
        """Return whether an app exists; remembers for a few seconds that it does."""
        now = self._monotonic()
        if now - self._seen.get(app_id, -_REMEMBERED) < _REMEMBERED:
            return True
        if await self._apps.find(app_id) is None:
            return False
        self._seen[app_id] = now
        return True

    async def delete_app(self, app_id: str) -> None:
        """Delete an app that owns nothing any more.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It owns something.
        """
        await self._apps.get(app_id)
        if (kind := await self._apps.owned_kind(app_id)) is not None:
            raise ConflictError("app_not_empty", f"The app still owns {kind}; delete them first.")
        await self._apps.delete(app_id)
        self._seen.pop(app_id, None)

    async def _hash(self, secret: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(secrets.hash_secret, secret)

    async def _is_secret(self, secret: str, hashed: str) -> bool:
        async with self._hashing:
            return await asyncio.to_thread(secrets.is_secret, secret, hashed)

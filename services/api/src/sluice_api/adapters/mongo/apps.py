"""Apps: tenants, their secrets, and whether they still exist."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import (
    APPS,
    DEVICES,
    GROUPS,
    PACKAGES,
    PRODUCTS,
    PUBLIC_KEYS,
    SUBSCRIPTIONS,
    TASKS,
    Document,
)
from sluice_api.adapters.mongo.repository import page_of
from sluice_api.domain import secrets
from sluice_api.domain.errors import ConflictError, NotFoundError
from sluice_common.mongo import Database

_OWNED = (PRODUCTS, PUBLIC_KEYS, PACKAGES, DEVICES, GROUPS, TASKS, SUBSCRIPTIONS)
_REMEMBERED = 5.0
"""Seconds for which an app that exists is taken to exist."""
_HASHES_AT_ONCE = 2
"""Each takes 16 MiB and 50 ms of a core: guessing secrets must not use up the machine."""


class Apps:
    """The apps.

    Args:
        database: The database.
        monotonic: Seconds, for remembering.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._apps = database[APPS]
        self._monotonic = monotonic
        self._seen: dict[str, float] = {}
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)

    async def create(self, app_id: str, name: str, secret: str, at: datetime) -> Document:
        """Create an app, or again one whose creation was interrupted."""
        document = {"_id": app_id, "name": name, "secret_hash": await self._hash(secret), "created_at": at}
        await self._apps.replace_one({"_id": app_id}, document, upsert=True)
        return document

    async def bootstrap(self, app_id: str, secret: str, at: datetime) -> None:
        """Create the first app unless it exists; a changed secret becomes its secret."""
        document = await self._apps.find_one({"_id": app_id})
        if document is None:
            try:
                await self._apps.insert_one(
                    {"_id": app_id, "name": "first app", "secret_hash": await self._hash(secret), "created_at": at}
                )
            except DuplicateKeyError:
                return  # another API process was faster
        elif not await self._is_secret(secret, document["secret_hash"]):
            await self._apps.update_one({"_id": app_id}, {"$set": {"secret_hash": await self._hash(secret)}})

    async def authenticate(self, app_id: str, secret: str) -> bool:
        """Return whether an app has this secret."""
        document = await self._apps.find_one({"_id": app_id})
        return document is not None and await self._is_secret(secret, document["secret_hash"])

    async def exists(self, app_id: str) -> bool:
        """Return whether an app exists; remembers for a few seconds that it does."""
        now = self._monotonic()
        if now - self._seen.get(app_id, -_REMEMBERED) < _REMEMBERED:
            return True
        if await self._apps.find_one({"_id": app_id}, {"_id": 1}) is None:
            return False
        self._seen[app_id] = now
        return True

    async def get(self, app_id: str) -> Document:
        """Return an app.

        Raises:
            NotFoundError: There is none of that id.
        """
        document = await self._apps.find_one({"_id": app_id})
        if document is None:
            raise NotFoundError("app", app_id)
        return document

    async def page(self, name: str | None, limit: int, after: str | None) -> tuple[list[Document], str | None]:
        """Return one page of all apps, or of those of a name."""
        return await page_of(self._apps, {} if name is None else {"name": name}, limit, after)

    async def delete(self, app_id: str) -> None:
        """Delete an app that owns nothing any more.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It owns something.
        """
        await self.get(app_id)
        for collection in _OWNED:
            if await self._database[collection].find_one({"app_id": app_id}, {"_id": 1}) is not None:
                raise ConflictError("app_not_empty", f"The app still owns {collection}; delete them first.")
        await self._apps.delete_one({"_id": app_id})
        self._seen.pop(app_id, None)

    async def _hash(self, secret: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(secrets.hash_secret, secret)

    async def _is_secret(self, secret: str, hashed: str) -> bool:
        async with self._hashing:
            return await asyncio.to_thread(secrets.is_secret, secret, hashed)

"""Apps: tenants and their secrets."""

from collections.abc import Sequence
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import (
    APPS,
    DEVICES,
    ENDPOINT_PREFIXES,
    GROUPS,
    PACKAGES,
    PRODUCTS,
    PUBLIC_KEYS,
    SUBSCRIPTIONS,
    TASKS,
)
from sluice_api.adapters.mongo.records import RecordCodec, fields_of
from sluice_api.adapters.mongo.repository import page_of
from sluice_api.domain.errors import ConflictError, NotFoundError
from sluice_api.domain.models import App, AppChange, Page
from sluice_common.mongo import Database

_OWNED = (PRODUCTS, PUBLIC_KEYS, PACKAGES, DEVICES, GROUPS, TASKS, SUBSCRIPTIONS)
_CODEC = RecordCodec(App, "app_id")


class Apps:
    """The apps."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._apps = database[APPS]
        self._prefixes = database[ENDPOINT_PREFIXES]

    async def put(self, app: App) -> None:
        """Store an app, or another in its place."""
        await self._apps.replace_one({"_id": app.app_id}, _CODEC.document(app), upsert=True)

    async def add(self, app: App) -> bool:
        """Store an app unless there is one of its id; return whether it was stored."""
        try:
            await self._apps.insert_one(_CODEC.document(app))
        except DuplicateKeyError:
            return False
        return True

    async def set_secret_hash(self, app_id: str, secret_hash: str, at: datetime) -> None:
        """Give an app another secret."""
        await self._apps.update_one({"_id": app_id}, {"$set": {"secret_hash": secret_hash, "secret_since": at}})

    async def change(self, app_id: str, change: AppChange) -> App:
        """Change an app and return it as it is then.

        Raises:
            NotFoundError: There is none of that id.
        """
        if fields := fields_of(change):
            await self._apps.update_one({"_id": app_id}, {"$set": fields})
        return await self.get(app_id)

    async def endpoint_prefixes(self, app_id: str) -> list[str]:
        """Return the prefixes of endpoint client names that are bound to an app, in their order."""
        return [prefix["_id"] async for prefix in self._prefixes.find({"app_id": app_id}).sort("_id", 1)]

    async def bind(self, app_id: str, prefixes: Sequence[str]) -> None:
        """Bind endpoint client names that begin so to an app, and no others.

        Raises:
            ConflictError: One is bound to another app.
        """
        for prefix in prefixes:
            try:
                await self._prefixes.replace_one({"_id": prefix, "app_id": app_id}, {"app_id": app_id}, upsert=True)
            except DuplicateKeyError as error:
                raise ConflictError("prefix_taken", f"{prefix!r} is bound to another app.") from error
        await self._prefixes.delete_many({"app_id": app_id, "_id": {"$nin": list(prefixes)}})

    async def find(self, app_id: str) -> App | None:
        """Return an app, None if there is none of that id."""
        document = await self._apps.find_one({"_id": app_id})
        return None if document is None else _CODEC.record(document)

    async def get(self, app_id: str) -> App:
        """Return an app.

        Raises:
            NotFoundError: There is none of that id.
        """
        app = await self.find(app_id)
        if app is None:
            raise NotFoundError("app", app_id)
        return app

    async def page(self, name: str | None, limit: int, after: str | None) -> Page[App]:
        """Return one page of all apps, or of those of a name."""
        return await page_of(self._apps, _CODEC, {} if name is None else {"name": name}, limit, after)

    async def owned_kind(self, app_id: str) -> str | None:
        """Return the name of a collection in which an app owns something, None if it owns nothing."""
        for collection in _OWNED:
            if await self._database[collection].find_one({"app_id": app_id}, {"_id": 1}) is not None:
                return collection
        return None

    async def delete(self, app_id: str) -> None:
        """Delete an app if it is there; names are bound to it no more."""
        await self._prefixes.delete_many({"app_id": app_id})
        await self._apps.delete_one({"_id": app_id})

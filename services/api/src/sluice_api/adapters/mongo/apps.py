"""Apps: tenants and their secrets."""

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
            ConflictError: Another app has one of the prefixes.
        """
        fields = fields_of(change)
        unset = [name for name, value in fields.items() if value == []]  # a unique index has no two empty lists
        operators = {"$set": {n: v for n, v in fields.items() if n not in unset}, "$unset": dict.fromkeys(unset, True)}
        try:
            if wanted := {name: value for name, value in operators.items() if value}:
                await self._apps.update_one({"_id": app_id}, wanted)
        except DuplicateKeyError as error:
            raise ConflictError("prefix_taken", "One of these prefixes is bound to another app.") from error
        return await self.get(app_id)

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
        """Delete an app if it is there."""
        await self._apps.delete_one({"_id": app_id})

"""Documents that belong to an app: what all repositories of the API have in common.

Every query names the app, so that another app's id is simply not found.
"""

from collections.abc import Mapping
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import Document, Filter
from sluice_api.domain.cursors import decode_cursor, encode_cursor
from sluice_api.domain.errors import ConflictError, NotFoundError
from sluice_common.mongo import Database

Collection = AsyncCollection[Document]


async def page_of(
    collection: Collection, query: Filter, limit: int, after: str | None, leave_out: tuple[str, ...] = ()
) -> tuple[list[Document], str | None]:
    """Return one page in the order of ids, which is that of creation, and the cursor of the next.

    Raises:
        InvalidError: `after` is no cursor.
    """
    if after is not None:
        query = query | {"_id": {**query.get("_id", {}), "$gt": decode_cursor(after)}}
    projection = dict.fromkeys(leave_out, 0) or None
    documents = await collection.find(query, projection).sort("_id", 1).limit(limit + 1).to_list(None)
    more = len(documents) > limit
    return documents[:limit], encode_cursor(documents[limit - 1]["_id"]) if more else None


class TenantRepository:
    """One collection of documents with `app_id`.

    Args:
        database: The database.
        collection: Its name.
        kind: What one document is called in errors.
    """

    def __init__(self, database: Database, collection: str, kind: str) -> None:
        self._database = database
        self._documents = database[collection]
        self._kind = kind

    async def find(self, app_id: str, identifier: str) -> Document | None:
        """Return the document, None if the app has none of that id."""
        return await self._documents.find_one({"_id": identifier, "app_id": app_id})

    async def get(self, app_id: str, identifier: str) -> Document:
        """Return the document.

        Raises:
            NotFoundError: The app has none of that id.
        """
        document = await self.find(app_id, identifier)
        if document is None:
            raise NotFoundError(self._kind, identifier)
        return document

    async def page(
        self, app_id: str, wanted: Filter, limit: int, after: str | None, leave_out: tuple[str, ...] = ()
    ) -> tuple[list[Document], str | None]:
        """Return one page in order of creation and the cursor of the next.

        Args:
            app_id: Whose.
            wanted: Equalities; those with None are ignored.
            limit: Most documents.
            after: Cursor of the page before.
            leave_out: Large fields that lists do not show.
        """
        query = {"app_id": app_id} | {k: v for k, v in wanted.items() if v is not None}
        return await page_of(self._documents, query, limit, after, leave_out)

    async def insert(self, document: Document, duplicate: str) -> Document:
        """Insert a document and return it.

        Raises:
            ConflictError: A unique index has it already; `duplicate` says so.
        """
        try:
            await self._documents.insert_one(document)
        except DuplicateKeyError as error:
            raise ConflictError("duplicate", duplicate) from error
        return document

    async def change(self, app_id: str, identifier: str, changes: Mapping[str, Any]) -> Document:
        """Set fields and return the document as it is then.

        Raises:
            NotFoundError: The app has none of that id.
        """
        if changes:
            await self._documents.update_one({"_id": identifier, "app_id": app_id}, {"$set": dict(changes)})
        return await self.get(app_id, identifier)

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a document.

        Raises:
            NotFoundError: The app has none of that id.
        """
        result = await self._documents.delete_one({"_id": identifier, "app_id": app_id})
        if result.deleted_count == 0:
            raise NotFoundError(self._kind, identifier)

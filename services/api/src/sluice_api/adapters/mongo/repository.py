"""Records that belong to an app: what all repositories of the API have in common.

Every query names the app, so that another app's id is simply not found.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import Document, Filter
from sluice_api.adapters.mongo.records import RecordCodec, fields_of
from sluice_api.domain.cursors import decode_cursor, encode_cursor
from sluice_api.domain.errors import ConflictError, NotFoundError
from sluice_api.domain.models import Page, Record
from sluice_common.mongo import Database

Collection = AsyncCollection[Document]
Kept = TypeVar("Kept", bound=Record)
Wanted = TypeVar("Wanted", bound=Record)


async def page_of(
    collection: Collection,
    codec: RecordCodec[Kept],
    query: Filter,
    limit: int,
    after: str | None,
    *,
    leave_out: tuple[str, ...] = (),
) -> Page[Kept]:
    """Return one page in the order of ids, which is that of creation.

    Raises:
        InvalidError: `after` is no cursor.
    """
    if after is not None:
        query = query | {"_id": {**query.get("_id", {}), "$gt": decode_cursor(after)}}
    projection = dict.fromkeys(leave_out, 0) or None
    found = await collection.find(query, projection).sort("_id", 1).limit(limit + 1).to_list(None)
    records = [codec.record(document) for document in found[:limit]]
    return Page(records, encode_cursor(found[limit - 1]["_id"]) if len(found) > limit else None)


class TenantRepository(Generic[Kept, Wanted]):
    """One collection of documents with `app_id`.

    Args:
        database: The database.
        collection: Its name.
        codec: What documents are.
        kind: What one is called in errors.
        leave_out: Large fields that lists do not show.
    """

    def __init__(
        self,
        database: Database,
        collection: str,
        codec: RecordCodec[Kept],
        kind: str,
        *,
        leave_out: tuple[str, ...] = (),
    ) -> None:
        self._database = database
        self._documents = database[collection]
        self._codec = codec
        self._kind = kind
        self._leave_out = leave_out

    async def find(self, app_id: str, identifier: str) -> Kept | None:
        """Return the record, None if the app has none of that id."""
        document = await self._documents.find_one({"_id": identifier, "app_id": app_id})
        return None if document is None else self._codec.record(document)

    async def get(self, app_id: str, identifier: str) -> Kept:
        """Return the record.

        Raises:
            NotFoundError: The app has none of that id.
        """
        record = await self.find(app_id, identifier)
        if record is None:
            raise NotFoundError(self._kind, identifier)
        return record

    async def page(self, app_id: str, wanted: Wanted, limit: int, after: str | None) -> Page[Kept]:
        """Return one page in order of creation.

        Raises:
            InvalidError: `after` is no cursor.
        """
        query = {"app_id": app_id} | self._query(wanted)
        return await page_of(self._documents, self._codec, query, limit, after, leave_out=self._leave_out)

    def _query(self, wanted: Wanted) -> Filter:
        """Return the query of a filter: equalities, unless a repository knows better."""
        return fields_of(wanted)

    async def count(self, app_id: str) -> int:
        """Return how many records the app has."""
        return await self._documents.count_documents({"app_id": app_id})

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a record.

        Raises:
            NotFoundError: The app has none of that id.
        """
        result = await self._documents.delete_one({"_id": identifier, "app_id": app_id})
        if result.deleted_count == 0:
            raise NotFoundError(self._kind, identifier)

    async def _insert(self, document: Document, duplicate: str) -> None:
        """Insert a document.

        Raises:
            ConflictError: A unique index has it already; `duplicate` says so.
        """
        try:
            await self._documents.insert_one(document)
        except DuplicateKeyError as error:
            raise ConflictError("duplicate", duplicate) from error

    async def _change(self, app_id: str, identifier: str, change: Record) -> Kept:
        """Set the fields that a change has and return the record as it is then.

        Raises:
            NotFoundError: The app has none of that id.
        """
        if fields := fields_of(change):
            await self._documents.update_one({"_id": identifier, "app_id": app_id}, {"$set": fields})
        return await self.get(app_id, identifier)

    async def _exists(self, collection: str, query: Mapping[str, object]) -> bool:
        """Return whether a collection has a document."""
        return await self._database[collection].find_one(dict(query), {"_id": 1}) is not None

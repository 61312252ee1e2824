"""The outbox in documents: `outbox` has the messages, oldest first, `relay_at` the time from which the relay looks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from pymongo import UpdateOne

from sluice_api.adapters.mongo.collections import Document
from sluice_api.application.relay.records import OutboxDocument
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.mongo import Database

_log = structlog.get_logger()


MAX_COUNTED = 10_000
"""More is only known as more: to count costs the database a look at each."""


def with_messages(document: Document, at: datetime, *waiting: OutboxMessage) -> Document:
    """Return a new document together with its messages, due at a time."""
    return document | {"outbox": _stored(waiting), "relay_at": at}


def also_send(at: datetime, *waiting: OutboxMessage) -> dict[str, Any]:
    """Return the update operators that put further messages into a document."""
    return {"$push": {"outbox": {"$each": _stored(waiting)}}, "$set": {"relay_at": at}}


def messages_of(document: Document) -> tuple[OutboxMessage, ...]:
    """Return the messages that wait in a document."""
    return msgspec.convert(document.get("outbox", ()), tuple[OutboxMessage, ...])


def no_hint() -> None:
    """Leave it to the relay when it looks."""


class MongoOutboxStore:
    """The messages in the documents of one collection."""

    def __init__(self, database: Database, collection: str) -> None:
        self._documents = database[collection]

    async def due(self, now: datetime, limit: int) -> list[OutboxDocument]:
        """Return documents that the relay has to look at now.

        One whose messages cannot be read is told and has them marked `undeliverable`: it must not keep others back.
        """
        found = await self._documents.find({"relay_at": {"$lte": now}}, {"outbox": 1}).limit(limit).to_list(None)
        return [readable for document in found if (readable := await self._readable(document)) is not None]

    async def count_due(self, now: datetime) -> int:
        """Return how many documents the relay has to look at now, `MAX_COUNTED` at most."""
        return await self._documents.count_documents({"relay_at": {"$lte": now}}, limit=MAX_COUNTED)

    async def _readable(self, document: Document) -> OutboxDocument | None:
        try:
            return OutboxDocument(id=document["_id"], outbox=messages_of(document))
        except msgspec.ValidationError as error:
            _log.error("outbox_unreadable", id=document["_id"], detail=str(error))
        unchanged = {"_id": document["_id"], "outbox": document["outbox"]}
        undeliverable = {"$set": {"undeliverable": document["outbox"]}, "$unset": {"outbox": True, "relay_at": True}}
        await self._documents.update_one(unchanged, undeliverable)
        return None

    async def clear(self, documents: Sequence[OutboxDocument], *, undeliverable: Collection[str], done: bool) -> None:
        """Remove the messages of documents whose messages are still those that were read."""
        removed = {"outbox": True} | ({"relay_at": True} if done else {})
        updates = [
            UpdateOne(
                _unchanged(document),
                {"$unset": removed} | (_mark_undeliverable(document) if document.id in undeliverable else {}),
            )
            for document in documents
        ]
        await self._documents.bulk_write(updates, ordered=False)


def _unchanged(document: OutboxDocument) -> Document:
    # Not by their number: another relay may have cleared as many, and the API have written new ones.
    return {"_id": document.id, "outbox": _stored(document.outbox) if document.outbox else {"$exists": False}}


def _mark_undeliverable(document: OutboxDocument) -> Document:
    return {"$set": {"undeliverable": _stored(document.outbox)}}


def _stored(waiting: Sequence[OutboxMessage]) -> list[dict[str, str]]:
    return [msgspec.structs.asdict(message) for message in waiting]

"""The outbox as the relay sees it: documents that wait to be told of (design §3)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from pymongo import UpdateOne

from sluice_api.adapters.database import Document
from sluice_api.domain.outbox import topic_of
from sluice_common.bus import Producer
from sluice_common.mongo import Database

_LIMIT = 200


class Outbox:
    """Publishes what waits in the documents of a collection."""

    def __init__(self, database: Database, producer: Producer) -> None:
        self._database = database
        self._producer = producer

    async def due(self, collection: str, now: datetime, limit: int = _LIMIT) -> list[Document]:
        """Return documents that the relay has to look at now."""
        return await self._database[collection].find({"relay_at": {"$lte": now}}).limit(limit).to_list(None)

    async def publish(self, documents: Sequence[Document]) -> None:
        """Publish the messages of documents and wait until Kafka has them all."""
        sent = [
            await self._producer.send(topic_of(waiting), waiting["key"], msgspec.Raw(waiting["value"].encode()))
            for document in documents
            for waiting in document.get("outbox", ())
        ]
        await asyncio.gather(*sent)

    async def clear(self, collection: str, documents: Sequence[Document], *, done: bool) -> None:
        """Forget messages that Kafka has; documents that got further messages meanwhile are left for the next look.

        Args:
            collection: Where the documents are.
            documents: As they were read.
            done: Whether the relay has nothing else to do for them.
        """
        forget = {"outbox": True} | ({"relay_at": True} if done else {})
        updates = [UpdateOne(_unchanged(document), {"$unset": forget}) for document in documents]
        await self._database[collection].bulk_write(updates, ordered=False)


def _unchanged(document: Document) -> Document:
    # Messages are only ever appended by others: as many as before means the same ones.
    waiting = document.get("outbox")
    return {"_id": document["_id"], "outbox": {"$size": len(waiting)} if waiting else {"$exists": False}}

"""The outbox as the relay sees it: documents that wait to be told of."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from aiokafka.errors import MessageSizeTooLargeError
from pymongo import UpdateOne

from sluice_api.adapters.mongo.collections import Document
from sluice_api.domain.outbox import topic_of
from sluice_common.bus import Producer, acknowledged
from sluice_common.mongo import Database

_log = structlog.get_logger()
_LIMIT = 200


class Outbox:
    """Publishes what waits in the documents of a collection."""

    def __init__(self, database: Database, producer: Producer) -> None:
        self._database = database
        self._producer = producer

    async def due(self, collection: str, now: datetime, limit: int = _LIMIT) -> list[Document]:
        """Return documents that the relay has to look at now."""
        return await self._database[collection].find({"relay_at": {"$lte": now}}).limit(limit).to_list(None)

    async def deliver(self, collection: str, documents: Sequence[Document], *, done: bool) -> None:
        """Publish the messages of documents, and forget them once Kafka has them all.

        A document with a message that is too large for Kafka is set aside with all its messages, as `undeliverable`:
        it must not keep the others back. One that got further messages meanwhile is left for the next look.

        Args:
            collection: Where the documents are.
            documents: As they were read.
            done: Whether the relay has nothing else to do for them.

        Raises:
            KafkaError: Kafka does not have them all; to be done again.
        """
        sent: list[asyncio.Future[Any]] = []
        refused: list[Document] = []
        for document in documents:
            try:
                sent += [await self._send(waiting) for waiting in document.get("outbox", ())]
            except MessageSizeTooLargeError as error:
                _log.error("outbox_undeliverable", collection=collection, id=document["_id"], detail=str(error))
                refused.append(document)
        await acknowledged(sent)
        forget = {"outbox": True} | ({"relay_at": True} if done else {})
        updates = [
            UpdateOne(_unchanged(d), {"$unset": forget} | (_mark_undeliverable(d) if d in refused else {}))
            for d in documents
        ]
        await self._database[collection].bulk_write(updates, ordered=False)

    async def _send(self, waiting: dict[str, str]) -> asyncio.Future[Any]:
        return await self._producer.send(topic_of(waiting), waiting["key"], msgspec.Raw(waiting["value"].encode()))


def _unchanged(document: Document) -> Document:
    # Not by their number: another relay may have cleared as many, and the API have written new ones.
    return {"_id": document["_id"], "outbox": document.get("outbox", {"$exists": False})}


def _mark_undeliverable(document: Document) -> Document:
    return {"$set": {"undeliverable": document["outbox"]}}

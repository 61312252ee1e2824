"""Deliveries in MongoDB: what is to be told, and what has been.

A delivery is kept for a while after its end, so that an event that comes again makes no second one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, UpdateOne
from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import DELIVERIES, chunks
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.mongo import Database

_DUPLICATE_KEY = 11_000


class Delivery(msgspec.Struct, kw_only=True):
    """One callback that shall reach one receiver.

    Attributes:
        key: Subscription and delivery id: the document's `_id`.
        delivery_id: What is told.
        target: Receiver, `host:port`.
        url: Where to post.
        body: The JSON.
        secret: Key of the signature, sealed; None sends none.
        created_at: When it was stored, UTC.
        attempts: Attempts that have failed.
    """

    key: str
    delivery_id: str
    target: str
    url: str
    body: bytes
    secret: str | None
    created_at: datetime
    attempts: int = 0

    @property
    def subscription_id(self) -> str:
        """The subscription that it is for."""
        return self.key.partition(":")[0]


class Deliveries:
    """The queue of deliveries: whoever stores or claims one has it for the lease.

    Args:
        database: The platform's database.
        lease: Seconds after which another notifier may take a delivery over.
        keep: Seconds that a delivery is remembered.
    """

    def __init__(self, database: Database, lease: float, keep: float) -> None:
        self._collection = database[DELIVERIES]
        self._lease = timedelta(seconds=lease)
        self._keep = int(keep)

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._collection.create_index([("status", ASCENDING), ("target", ASCENDING), ("next_at", ASCENDING)])
        await self._collection.create_index([("created_at", ASCENDING)], expireAfterSeconds=self._keep)

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Store new deliveries under a lease and return those that were not known."""
        if not deliveries:
            return []
        lease_end = now() + self._lease
        documents = [_document(delivery, lease_end) for delivery in deliveries]
        known: set[str] = set()
        try:
            await self._collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            failures: list[dict[str, Any]] = (error.details or {}).get("writeErrors", [])
            if any(failure.get("code") != _DUPLICATE_KEY for failure in failures):
                raise
            known = {documents[failure["index"]]["_id"] for failure in failures}
        return [delivery for delivery in deliveries if delivery.key not in known]

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        """Claim deliveries to a receiver that are due, oldest first: failed ones, and those whose notifier has died."""
        at = now()
        due = {"status": "PENDING", "target": target, "next_at": {"$lte": at}}
        found = await self._collection.find(due).sort("next_at", ASCENDING).limit(limit).to_list(None)
        return [_delivery(d) for some in chunks(found) for d in await self._claim(some, at)]

    async def _claim(self, found: Sequence[dict[str, Any]], at: datetime) -> Sequence[dict[str, Any]]:
        """Return those that are claimed: guarded by their time, so that of two notifiers one wins each."""
        ours = {"_id": {"$in": [document["_id"] for document in found]}}
        claim = {"next_at": at + self._lease, "claim": new_id()}
        claimed = await self._collection.update_many(
            ours | {"status": "PENDING", "next_at": {"$lte": at}}, {"$set": claim}
        )
        if claimed.modified_count == len(found):
            return found
        return await self._collection.find(ours | {"claim": claim["claim"]}).to_list(None)

    async def record(self, outcomes: Sequence[tuple[Delivery, datetime | None, str]]) -> None:
        """Record attempts: (delivery, next attempt or None, new status)."""
        if not outcomes:
            return
        at = now()
        await self._collection.bulk_write(
            [
                UpdateOne(
                    {"_id": delivery.key, "status": "PENDING"},
                    {
                        "$set": {
                            "status": status,
                            "next_at": next_at or at,
                            "ended_at": at,
                            "attempts": delivery.attempts,
                        }
                    },
                )
                for delivery, next_at, status in outcomes
            ],
            ordered=False,
        )


def _document(delivery: Delivery, next_at: datetime) -> dict[str, Any]:
    fields = msgspec.structs.asdict(delivery)
    return {"_id": fields.pop("key"), **fields, "status": "PENDING", "next_at": next_at}


def _delivery(document: dict[str, Any]) -> Delivery:
    fields = {name: document[name] for name in Delivery.__struct_fields__ if name != "key"}
    return Delivery(key=document["_id"], **fields)

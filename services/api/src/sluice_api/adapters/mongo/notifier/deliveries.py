"""Deliveries in MongoDB: those that wait for their receiver, and those that have ended.

A delivery is kept for a while after its end, so that an event that comes again makes no second one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from pymongo import ASCENDING, UpdateOne
from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import DELIVERIES, Document, chunks
from sluice_api.adapters.mongo.poison import DUPLICATE_KEY, content_errors_as_poison
from sluice_api.application.notifier.records import Delivery, DeliveryStatus, Outcome
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.mongo import Database


class MongoDeliveryStore:
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
        """Store new deliveries under a lease and return those that were not known.

        Raises:
            PoisonError: One of them can never be stored.
        """
        if not deliveries:
            return []
        lease_end = now() + self._lease
        documents = [_document(delivery, lease_end) for delivery in deliveries]
        known: set[str] = set()
        try:
            with content_errors_as_poison():
                await self._collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if any(failure["code"] != DUPLICATE_KEY for failure in failures):
                raise
            known = {documents[failure["index"]]["_id"] for failure in failures}
        return [delivery for delivery in deliveries if delivery.key not in known]

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        """Claim deliveries to a receiver that are due, oldest first: failed ones, and those whose notifier has died."""
        at = now()
        due = {"status": DeliveryStatus.PENDING.value, "target": target, "next_at": {"$lte": at}}
        found = await self._collection.find(due).sort("next_at", ASCENDING).limit(limit).to_list(None)
        return [_delivery(d) for some in chunks(found) for d in await self._claim(some, at)]

    async def _claim(self, found: Sequence[Document], at: datetime) -> Sequence[Document]:
        """Return those that are claimed: guarded by their time, so that of two notifiers one wins each."""
        ours = {"_id": {"$in": [document["_id"] for document in found]}}
        claim = {"next_at": at + self._lease, "claim": new_id()}
        claimed = await self._collection.update_many(
            ours | {"status": DeliveryStatus.PENDING.value, "next_at": {"$lte": at}}, {"$set": claim}
        )
        if claimed.modified_count == len(found):
            return found
        return await self._collection.find(ours | {"claim": claim["claim"]}).to_list(None)

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record what has become of deliveries."""
        if not outcomes:
            return
        at = now()
        await self._collection.bulk_write([_update(outcome, at) for outcome in outcomes], ordered=False)


def _update(outcome: Outcome, at: datetime) -> UpdateOne:
    ended = {
        "status": outcome.status.value,
        "next_at": outcome.next_at or at,
        "ended_at": at,
        "attempts": outcome.delivery.attempts,
    }
    return UpdateOne({"_id": outcome.delivery.key, "status": DeliveryStatus.PENDING.value}, {"$set": ended})


def _document(delivery: Delivery, next_at: datetime) -> Document:
    fields = msgspec.structs.asdict(delivery)
    return {"_id": fields.pop("key"), **fields, "status": DeliveryStatus.PENDING.value, "next_at": next_at}


def _delivery(document: Document) -> Delivery:
    fields = {name: document[name] for name in Delivery.__struct_fields__ if name != "key"}
    return Delivery(key=document["_id"], **fields)

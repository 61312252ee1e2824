"""Deliveries in MongoDB: those that wait for their receiver, and those that have ended.

A delivery is kept for a while after its end, so that an event that comes again makes no second one.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from pymongo import ASCENDING
from pymongo.errors import BulkWriteError

from sluice_api.adapters.mongo.collections import DELIVERIES, Document, Filter, chunks
from sluice_api.adapters.mongo.outbox import MAX_COUNTED
from sluice_api.adapters.mongo.poison import DUPLICATE_KEY, content_errors_as_poison
from sluice_api.adapters.mongo.updates import MAX_EACH, each_of
from sluice_api.application.notifier.records import Delivery, Outcome
from sluice_api.domain.models import DeliveryStatus
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.mongo import Database

_log = structlog.get_logger()


class MongoDeliveryStore:
    """The queue of deliveries: whoever claims one has it for the lease.

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

    async def add(self, deliveries: Sequence[Delivery], claimed: Collection[str]) -> list[Delivery]:
        """Store new deliveries and return those that were not known.

        Args:
            deliveries: All of them.
            claimed: The keys of those that the caller claims; the others are due.

        Raises:
            PoisonError: One of them can never be stored.
        """
        if not deliveries:
            return []
        at = now()
        documents = [document_of(d, at + self._lease if d.key in claimed else at) for d in deliveries]
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

    async def next_target(self, after: str) -> str | None:
        """Return the next receiver in the order of names for which something waits; None if there is none."""
        waiting = {"status": DeliveryStatus.PENDING.value, "target": {"$gt": after}}
        order = [("target", ASCENDING), ("next_at", ASCENDING)]
        found = await self._collection.find(waiting, {"_id": 0, "target": 1}).sort(order).limit(1).to_list(None)
        return found[0]["target"] if found else None

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        """Claim deliveries to a receiver that are due, oldest first: failed ones, and those whose notifier has died."""
        at = now()
        due = {"status": DeliveryStatus.PENDING.value, "target": target, "next_at": {"$lte": at}}
        found = await self._collection.find(due).sort("next_at", ASCENDING).limit(limit).to_list(None)
        claimed = [document for some in chunks(found) for document in await self._claim(some, at)]
        return [delivery for document in claimed if (delivery := _delivery(document)) is not None]

    async def count_pending(self) -> int:
        """Return how many deliveries have not ended, `MAX_COUNTED` at most."""
        return await self._collection.count_documents({"status": DeliveryStatus.PENDING.value}, limit=MAX_COUNTED)

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

    async def release(self, keys: Sequence[str]) -> None:
        """Let others claim deliveries at once."""
        for some in chunks(keys):
            pending = {"_id": {"$in": list(some)}, "status": DeliveryStatus.PENDING.value}
            await self._collection.update_many(pending, {"$set": {"next_at": now()}})

    async def give_up_overdue(self, target: str, before: datetime, limit: int) -> Mapping[str, int]:
        """Give up deliveries to a receiver that were due before a time; return how many, by subscription."""
        overdue = {"status": DeliveryStatus.PENDING.value, "target": target, "next_at": {"$lt": before}}
        found = await self._collection.find(overdue, {"_id": 1}).limit(limit).to_list(None)
        for some in chunks([document["_id"] for document in found]):
            await self._give_up({"_id": {"$in": list(some)}})
        return Counter(document["_id"].partition(":")[0] for document in found)

    async def give_up_all(self, subscription_id: str) -> int:
        """Give up what waits for a subscription; return how many there were."""
        return await self._give_up({"_id": ids_of(subscription_id)})

    async def _give_up(self, wanted: Document) -> int:
        pending = wanted | {"status": DeliveryStatus.PENDING.value}
        ended = {"status": DeliveryStatus.GIVEN_UP.value, "ended_at": now()}
        return (await self._collection.update_many(pending, {"$set": ended})).modified_count

    async def rename_target(self, subscription_id: str, before: str, after: str) -> None:
        """Let what waits for a subscription under one name of its receiver wait under another."""
        waiting = {"status": DeliveryStatus.PENDING.value, "target": before, "_id": ids_of(subscription_id)}
        await self._collection.update_many(waiting, {"$set": {"target": after}})

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record what has become of deliveries."""
        at = now()
        for some in chunks(outcomes, MAX_EACH):
            changes = {outcome.delivery.key: _change(outcome, at) for outcome in some}
            pending = {"_id": {"$in": list(changes)}, "status": DeliveryStatus.PENDING.value}
            await self._collection.update_many(pending, each_of(changes))


def _change(outcome: Outcome, at: datetime) -> Document:
    return {
        "status": outcome.status.value,
        "next_at": outcome.next_at or at,
        "ended_at": at,
        "attempts": outcome.delivery.attempts,
        "failure": outcome.failure,
    }


def ids_of(subscription_id: str) -> Filter:
    """Return the range of the ids of a subscription's deliveries: they begin with its own, and `;` follows `:`."""
    return {"$gt": f"{subscription_id}:", "$lt": f"{subscription_id};"}


def document_of(delivery: Delivery, next_at: datetime) -> Document:
    """Return the document of a new delivery that is due at a time."""
    fields = msgspec.structs.asdict(delivery)
    return {"_id": fields.pop("key"), **fields, "status": DeliveryStatus.PENDING.value, "next_at": next_at}


def _delivery(document: Document) -> Delivery | None:
    """Return a document as a delivery; one that is none is told, and claimed again in vain until it is forgotten."""
    try:
        return msgspec.convert(document | {"key": document["_id"]}, Delivery)
    except msgspec.ValidationError as error:
        _log.error("delivery_unreadable", id=document["_id"], detail=str(error))
        return None

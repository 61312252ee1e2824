"""Deliveries and subscriptions in MongoDB: what is to be told, and what has been.

A delivery is kept for a while after its end, so that an event that comes again makes no second one.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, UpdateOne
from pymongo.errors import BulkWriteError

from sluice_api.domain.callbacks import Subscription
from sluice_common.messages.base import now
from sluice_common.mongo import Database

_DUPLICATE_KEY = 11_000
_SUBSCRIPTION_AGE = 2.0
"""Seconds that known subscriptions of an app are believed."""


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


class SubscriptionCache:
    """SubscriptionCache by app, read again when they are older than two seconds."""

    def __init__(self, database: Database) -> None:
        self._collection = database["subscriptions"]
        self._known: dict[str, tuple[float, list[Subscription]]] = {}

    async def of(self, app_id: str) -> list[Subscription]:
        """Return the subscriptions of an app."""
        read_at, known = self._known.get(app_id, (0.0, []))
        if read_at and time.monotonic() - read_at < _SUBSCRIPTION_AGE:
            return known
        found = [
            Subscription(
                subscription_id=str(document["_id"]),
                event=document["event"],
                callback_url=document["callback_url"],
                secret=document.get("secret"),
            )
            async for document in self._collection.find({"app_id": app_id})
        ]
        self._known[app_id] = (time.monotonic(), found)
        return found


class Deliveries:
    """The queue of deliveries: whoever stores or claims one has it for the lease.

    Args:
        database: The platform's database.
        lease: Seconds after which another notifier may take a delivery over.
        keep: Seconds that a delivery is remembered.
    """

    def __init__(self, database: Database, lease: float, keep: float) -> None:
        self._collection = database["deliveries"]
        self._lease = timedelta(seconds=lease)
        self._keep = int(keep)

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._collection.create_index([("status", ASCENDING), ("next_at", ASCENDING)])
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

    async def claim_due(self, limit: int) -> list[Delivery]:
        """Claim deliveries that are due: failed ones, and those whose notifier has died."""
        at = now()
        due = await self._collection.find({"status": "PENDING", "next_at": {"$lte": at}}).limit(limit).to_list(limit)
        claimed = []
        for document in due:
            # Guarded by the time that was read: of two notifiers one wins.
            result = await self._collection.update_one(
                {"_id": document["_id"], "next_at": document["next_at"]}, {"$set": {"next_at": at + self._lease}}
            )
            if result.modified_count:
                claimed.append(_delivery(document))
        return claimed

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

"""Callbacks, as app servers look after them; the notifier posts them."""

from datetime import datetime

from sluice_api.adapters.mongo.collections import DELIVERIES, Filter
from sluice_api.adapters.mongo.notifier.deliveries import document_of
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import page_of
from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.errors import NotFoundError
from sluice_api.domain.models import CallbackDelivery, DeliveryStatus, Page, Subscription
from sluice_common.mongo import Database

_CODEC = RecordCodec(CallbackDelivery, "key")


class Callbacks:
    """The deliveries of subscriptions; whose a subscription is, the caller has asked before."""

    def __init__(self, database: Database) -> None:
        self._deliveries = database[DELIVERIES]

    async def page(
        self, subscription_id: str, status: DeliveryStatus | None, limit: int, after: str | None
    ) -> Page[CallbackDelivery]:
        """Return one page of a subscription's deliveries.

        Raises:
            InvalidError: `after` is no cursor.
        """
        query = of_subscription(subscription_id) | ({"status": status.value} if status else {})
        return await page_of(self._deliveries, _CODEC, query, limit, after)

    async def get(self, subscription_id: str, delivery_id: str) -> CallbackDelivery:
        """Return a delivery.

        Raises:
            NotFoundError: There is none (any more).
        """
        document = await self._deliveries.find_one({"_id": f"{subscription_id}:{delivery_id}"})
        if document is None:
            raise NotFoundError("delivery", delivery_id)
        return _CODEC.record(document)

    async def add(self, delivery: Delivery) -> None:
        """Let a delivery wait for the notifier."""
        await self._deliveries.insert_one(document_of(delivery, delivery.created_at))

    async def repeat(self, subscription: Subscription, at: datetime, delivery_id: str | None = None) -> int:
        """Let a delivery wait again from now on as a new one does, or all that were given up; return how many."""
        wanted = of_subscription(subscription.subscription_id) | {"status": DeliveryStatus.GIVEN_UP.value}
        if delivery_id is not None:
            wanted = {"_id": f"{subscription.subscription_id}:{delivery_id}"}
        again = {"status": DeliveryStatus.PENDING.value, "created_at": at, "next_at": at, "attempts": 0}
        changed = await self._deliveries.update_many(wanted, {"$set": again | _secrets(subscription, at)})
        return changed.modified_count

    async def change_secrets(self, subscription: Subscription, at: datetime) -> None:
        """Have what waits signed as the subscription says."""
        pending = of_subscription(subscription.subscription_id) | {"status": DeliveryStatus.PENDING.value}
        await self._deliveries.update_many(pending, {"$set": _secrets(subscription, at)})


def of_subscription(subscription_id: str) -> Filter:
    """Return the query of a subscription's deliveries, whose ids begin with its own."""
    return {"_id": {"$gt": f"{subscription_id}:", "$lt": f"{subscription_id};"}}


def _secrets(subscription: Subscription, at: datetime) -> Filter:
    return {"secret": subscription.secret, "previous_secret": subscription.previous_at(at)}

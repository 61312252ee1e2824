"""Callbacks, as app servers look after them; the notifier posts them."""

from datetime import datetime

from sluice_api.adapters.mongo.collections import DELIVERIES, Filter, chunks
from sluice_api.adapters.mongo.notifier.deliveries import document_of, ids_of
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import page_of
from sluice_api.application.notifier.records import Delivery, delivery_key
from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.errors import NotFoundError
from sluice_api.domain.models import CallbackDelivery, DeliveryStatus, Page, Subscription
from sluice_common.mongo import Database

_CODEC = RecordCodec(CallbackDelivery, "key")
_REPEATED_AT_ONCE = 5_000


class Callbacks:
    """The deliveries of subscriptions; whose a subscription is, the caller has asked before."""

    def __init__(self, database: Database) -> None:
        self._deliveries = database[DELIVERIES]

    async def page(
        self, subscription: Subscription, status: DeliveryStatus | None, limit: int, after: str | None
    ) -> Page[CallbackDelivery]:
        """Return one page of a subscription's deliveries, without what they say.

        Raises:
            InvalidError: `after` is no cursor.
        """
        query = _in_status(subscription, *((status,) if status else DeliveryStatus))
        return await page_of(self._deliveries, _CODEC, query, limit, after, leave_out=("body",))

    async def get(self, subscription_id: str, delivery_id: str) -> CallbackDelivery:
        """Return a delivery.

        Raises:
            NotFoundError: There is none (any more).
        """
        document = await self._deliveries.find_one({"_id": delivery_key(subscription_id, delivery_id)})
        if document is None:
            raise NotFoundError("delivery", delivery_id)
        return _CODEC.record(document)

    async def add(self, delivery: Delivery) -> None:
        """Let a delivery wait for the notifier."""
        await self._deliveries.insert_one(document_of(delivery, delivery.created_at))

    async def repeat(self, subscription: Subscription, at: datetime, delivery_id: str) -> None:
        """Let a delivery that has ended wait again as a new one does; have one that waits posted at once."""
        ours, pending = {"_id": delivery_key(subscription.subscription_id, delivery_id)}, DeliveryStatus.PENDING.value
        again = await self._deliveries.update_one(ours | {"status": {"$ne": pending}}, _anew(subscription, at))
        if not again.matched_count:
            await self._deliveries.update_one(ours | {"status": pending}, {"$set": {"next_at": at}})

    async def repeat_given_up(self, subscription: Subscription, at: datetime) -> int:
        """Let deliveries that were given up wait again, some thousand at most; return how many these are."""
        given_up = _in_status(subscription, DeliveryStatus.GIVEN_UP)
        found = await self._deliveries.find(given_up, {"_id": 1}).limit(_REPEATED_AT_ONCE).to_list(None)
        for some in chunks([document["_id"] for document in found]):
            ours = {"_id": {"$in": list(some)}, "status": DeliveryStatus.GIVEN_UP.value}
            await self._deliveries.update_many(ours, _anew(subscription, at))
        return len(found)

    async def change_secrets(self, subscription: Subscription) -> None:
        """Have what waits signed as the subscription says."""
        pending = _in_status(subscription, DeliveryStatus.PENDING)
        await self._deliveries.update_many(pending, {"$set": _secrets(subscription)})


def _in_status(subscription: Subscription, *statuses: DeliveryStatus) -> Filter:
    """Return the query of a subscription's deliveries in some statuses; an index has those of its receiver."""
    return {
        "status": {"$in": [status.value for status in statuses]},
        "target": target_of(subscription.app_id, subscription.callback_url),
        "_id": ids_of(subscription.subscription_id),
    }


def _anew(subscription: Subscription, at: datetime) -> Filter:
    again = {"status": DeliveryStatus.PENDING.value, "created_at": at, "next_at": at, "attempts": 0}
    return {"$set": again | _secrets(subscription)}


def _secrets(subscription: Subscription) -> Filter:
    return {
        "secret": subscription.secret,
        "previous_secret": subscription.previous_secret,
        "previous_until": subscription.previous_until,
    }

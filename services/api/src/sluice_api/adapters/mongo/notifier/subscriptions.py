"""Who has subscribed, as the database has it at that moment."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
import structlog
from pymongo import UpdateOne

from sluice_api.adapters.mongo.collections import SUBSCRIPTIONS, Document, chunks
from sluice_api.adapters.mongo.notifier.deliveries import MongoDeliveryStore
from sluice_api.adapters.mongo.subscriptions import CODEC
from sluice_api.application.notifier.records import Trouble
from sluice_api.domain.callback_urls import host_of, target_of
from sluice_api.domain.models import Subscription
from sluice_common.mongo import Database

_log = structlog.get_logger()
_ACTIVE = {"ended_at": None}


class MongoSubscriptionStore:
    """The subscriptions of all apps that have not ended.

    Nothing is remembered: one that was made before an event gets its callback. One that cannot be read is told and
    left out.
    """

    def __init__(self, database: Database) -> None:
        self._subscriptions = database[SUBSCRIPTIONS]

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        """Return the subscriptions of apps, by app."""
        found: defaultdict[str, list[Subscription]] = defaultdict(list)
        for some in chunks(sorted(app_ids)):
            async for document in self._subscriptions.find({"app_id": {"$in": list(some)}} | _ACTIVE):
                try:
                    found[document["app_id"]].append(CODEC.record(document))
                except msgspec.ValidationError as error:
                    _log.error("subscription_unreadable", subscription_id=document["_id"], detail=str(error))
        return found

    async def active(self, subscription_ids: Collection[str]) -> set[str]:
        """Return those that are there and have not ended."""
        found: set[str] = set()
        for some in chunks(sorted(subscription_ids)):
            active = self._subscriptions.find({"_id": {"$in": list(some)}} | _ACTIVE, {"_id": 1})
            found |= {document["_id"] async for document in active}
        return found

    async def report(self, troubles: Mapping[str, Trouble], at: datetime) -> None:
        """Tell the owners of subscriptions of callbacks that did not arrive, by subscription."""
        updates = [UpdateOne({"_id": name}, _update(trouble, at)) for name, trouble in troubles.items()]
        await self._subscriptions.bulk_write(updates, ordered=False)

    async def adopt_deliveries(self, deliveries: MongoDeliveryStore) -> None:
        """Take over what waits since receivers had no app in their names."""
        async for document in self._subscriptions.find({}, {"app_id": 1, "callback_url": 1}):
            url = document["callback_url"]
            await deliveries.rename_target(document["_id"], host_of(url), target_of(document["app_id"], url))


def _update(trouble: Trouble, at: datetime) -> Document:
    changed = {"last_failure": trouble.failure, "last_failure_at": at} | ({"ended_at": at} if trouble.gone else {})
    return {"$set": changed} | ({"$inc": {"given_up": trouble.given_up}} if trouble.given_up else {})

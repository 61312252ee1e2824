"""Who has subscribed, as the database has it at that moment."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sluice_api.adapters.mongo.collections import SUBSCRIPTIONS, chunks
from sluice_api.adapters.mongo.subscriptions import CODEC
from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.models import Subscription
from sluice_common.mongo import Database


class MongoSubscriptionStore:
    """The subscriptions of all apps. Nothing is remembered: one that was made before an event gets its callback."""

    def __init__(self, database: Database) -> None:
        self._subscriptions = database[SUBSCRIPTIONS]

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        """Return the subscriptions of apps, by app."""
        found: defaultdict[str, list[Subscription]] = defaultdict(list)
        for some in chunks(sorted(app_ids)):
            async for document in self._subscriptions.find({"app_id": {"$in": list(some)}}):
                found[document["app_id"]].append(CODEC.record(document))
        return found

    async def targets(self) -> Mapping[str, str]:
        """Return the receivers of all subscriptions, by subscription."""
        found = self._subscriptions.find({}, {"callback_url": 1})
        return {document["_id"]: target_of(document["callback_url"]) async for document in found}

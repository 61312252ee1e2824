"""Who is to be told, as the database has it at that moment."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sluice_api.adapters.mongo.collections import SUBSCRIPTIONS, chunks
from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.callbacks import Subscription
from sluice_common.mongo import Database


class Subscribers:
    """The subscriptions of all apps. Nothing is remembered: whoever subscribes before an event is told of it."""

    def __init__(self, database: Database) -> None:
        self._subscriptions = database[SUBSCRIPTIONS]

    async def of(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        """Return the subscriptions of apps, by app."""
        found: defaultdict[str, list[Subscription]] = defaultdict(list)
        for some in chunks(sorted(app_ids)):
            async for document in self._subscriptions.find({"app_id": {"$in": list(some)}}):
                subscription = Subscription(
                    subscription_id=str(document["_id"]),
                    event=document["event"],
                    callback_url=document["callback_url"],
                    secret=document.get("secret"),
                )
                found[document["app_id"]].append(subscription)
        return found

    async def targets(self) -> Mapping[str, str]:
        """Return the receivers of all subscriptions, by subscription."""
        found = self._subscriptions.find({}, {"callback_url": 1})
        return {document["_id"]: target_of(document["callback_url"]) async for document in found}

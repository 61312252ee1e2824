"""Subscriptions, as users ask for them."""

from sluice_api.adapters.mongo.collections import DELIVERIES, SUBSCRIPTIONS
from sluice_api.adapters.mongo.notifier.deliveries import ids_of
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.models import DeliveryStatus, Subscription, SubscriptionFilter, SubscriptionSecrets
from sluice_common.mongo import Database

CODEC = RecordCodec(Subscription, "subscription_id")


class Subscriptions(TenantRepository[Subscription, SubscriptionFilter]):
    """The subscriptions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, SUBSCRIPTIONS, CODEC, "subscription")

    async def add(self, subscription: Subscription) -> None:
        """Store a subscription.

        Raises:
            ConflictError: It exists already.
        """
        await self._insert(CODEC.document(subscription), "The subscription exists already.")

    async def change_secrets(self, app_id: str, identifier: str, secrets: SubscriptionSecrets) -> Subscription:
        """Store what signs the callbacks of a subscription; return it as it is then.

        Raises:
            NotFoundError: There is none of that id.
        """
        return await self._change(app_id, identifier, secrets)

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a subscription; what waits to be delivered is given up.

        Raises:
            NotFoundError: There is none of that id.
        """
        await super().delete(app_id, identifier)
        waiting = {"status": DeliveryStatus.PENDING.value, "_id": ids_of(identifier)}
        await self._database[DELIVERIES].delete_many(waiting)

"""Turns execution events into deliveries (R086, R151)."""

from collections.abc import Sequence

from sluice_api.adapters.deliveries import Deliveries, Delivery, SubscriptionCache
from sluice_api.adapters.dispatcher import Dispatcher
from sluice_api.domain.callbacks import Subscription, callback_body, delivery_id, target_of, told_event
from sluice_common.bus import Received
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged


class Notifier:
    """Turns snapshots into deliveries; stored before the events are committed, so that none is lost."""

    def __init__(self, subscriptions: SubscriptionCache, deliveries: Deliveries, dispatcher: Dispatcher) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._dispatcher = dispatcher

    async def handle(self, records: Sequence[Received]) -> None:
        """Store and offer the deliveries of a batch of events."""
        wanted: dict[str, Delivery] = {}
        for record in records:
            if not isinstance(record.message, ExecutionChanged):
                continue
            event = told_event(record.message)
            if event is None:
                continue
            for subscription in await self._subscriptions.of(record.message.app_id):
                if subscription.event == event:
                    delivery = _delivery(record.message, subscription)
                    wanted.setdefault(delivery.key, delivery)
        self._dispatcher.offer(await self._deliveries.add(list(wanted.values())))


def _delivery(execution: ExecutionChanged, subscription: Subscription) -> Delivery:
    told = delivery_id(execution, subscription.event)
    return Delivery(
        key=f"{subscription.subscription_id}:{told}",
        delivery_id=told,
        target=target_of(subscription.callback_url),
        url=subscription.callback_url,
        body=callback_body(execution, subscription.event),
        secret=subscription.secret,
        created_at=now(),
    )

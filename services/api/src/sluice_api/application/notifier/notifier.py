"""Turns execution events into deliveries (R086, R151)."""

from collections.abc import Sequence

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.ports import DeliveryStore, SubscriptionStore
from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.callbacks import callback_body, delivery_id, event_of
from sluice_api.domain.models import Subscription
from sluice_common.bus import Received
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged


class Notifier:
    """Turns snapshots into deliveries; stored before the events are committed, so that none is lost."""

    def __init__(self, subscriptions: SubscriptionStore, deliveries: DeliveryStore, dispatcher: Dispatcher) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._dispatcher = dispatcher

    async def handle(self, records: Sequence[Received]) -> None:
        """Store and offer the deliveries of a batch of events.

        Raises:
            PoisonError: The delivery of an event can never be stored.
        """
        executions = [record.message for record in records if isinstance(record.message, ExecutionChanged)]
        events = [(execution, event) for execution in executions if (event := event_of(execution)) is not None]
        # Read after the events: whoever had subscribed when they happened is there.
        subscriptions = await self._subscriptions.of_apps({execution.app_id for execution, _ in events})
        wanted: dict[str, Delivery] = {}
        for execution, event in events:
            for subscription in subscriptions.get(execution.app_id, ()):
                if subscription.event == event:
                    delivery = _delivery(execution, subscription)
                    wanted.setdefault(delivery.key, delivery)
        self._dispatcher.offer(await self._deliveries.add(list(wanted.values())))


def _delivery(execution: ExecutionChanged, subscription: Subscription) -> Delivery:
    identifier = delivery_id(execution, subscription.event)
    return Delivery(
        key=f"{subscription.subscription_id}:{identifier}",
        delivery_id=identifier,
        target=target_of(subscription.callback_url),
        url=subscription.callback_url,
        body=callback_body(execution, subscription.event),
        secret=subscription.secret,
        created_at=now(),
    )

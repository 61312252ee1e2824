"""Turns execution events into deliveries (R086, R151)."""

from collections.abc import Sequence

from sluice_api.adapters.mongo.notifier.deliveries import Deliveries, Delivery
from sluice_api.adapters.mongo.notifier.subscribers import Subscribers
from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.callbacks import Subscription, callback_body, delivery_id, told_event
from sluice_common.bus import Received
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged


class Notifier:
    """Turns snapshots into deliveries; stored before the events are committed, so that none is lost."""

    def __init__(self, subscribers: Subscribers, deliveries: Deliveries, dispatcher: Dispatcher) -> None:
        self._subscribers = subscribers
        self._deliveries = deliveries
        self._dispatcher = dispatcher

    async def handle(self, records: Sequence[Received]) -> None:
        """Store and offer the deliveries of a batch of events."""
        executions = [record.message for record in records if isinstance(record.message, ExecutionChanged)]
        told = [(execution, event) for execution in executions if (event := told_event(execution)) is not None]
        # Read after the events: whoever had subscribed when they happened is there.
        subscriptions = await self._subscribers.of({execution.app_id for execution, _ in told})
        wanted: dict[str, Delivery] = {}
        for execution, event in told:
            for subscription in subscriptions.get(execution.app_id, ()):
                if subscription.event == event:
                    delivery = _delivery(execution, subscription)
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

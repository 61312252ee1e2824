"""Turns execution events into deliveries (R086, R151)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.ports import DeliveryStore, SubscriptionStore
from sluice_api.application.notifier.records import Delivery
from sluice_api.application.notifier.rotation import app_of
from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.callbacks.dialect import body_of
from sluice_api.domain.callbacks.happened import Happened, what_happened
from sluice_api.domain.models import Subscription
from sluice_common.bus import Received
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged

_log = structlog.get_logger()
_STORED_AT_ONCE = 100


class Notifier:
    """Turns snapshots into deliveries; stored before the events are committed, so that none is lost.

    Events that are older than callbacks are tried for make none: the topic keeps the last event of each execution, and
    a consumer whose position is lost reads all of them again.

    Args:
        subscriptions: Who has subscribed.
        deliveries: Where deliveries are stored.
        dispatcher: Posts them.
        give_up: Seconds after an event for which its callback is tried.
    """

    def __init__(
        self, subscriptions: SubscriptionStore, deliveries: DeliveryStore, dispatcher: Dispatcher, give_up: float
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._dispatcher = dispatcher
        self._give_up = timedelta(seconds=give_up)

    async def handle(self, records: Sequence[Received]) -> None:
        """Store and offer the deliveries of a batch of events: those of the app with the fewest first.

        They are offered as soon as they are stored, so that within a batch nobody waits for the many of another app.

        Raises:
            PoisonError: The delivery of an event can never be stored.
        """
        at = now()
        happened = self._recent((r.message for r in records if isinstance(r.message, ExecutionChanged)), at)
        if not happened:
            return
        # Read after the events: whoever had subscribed when they happened is there.
        subscriptions = await self._subscriptions.of_apps({h.execution.app_id for h in happened})
        deliveries = _fewest_first(_deliveries(happened, subscriptions, at).values())
        for start in range(0, len(deliveries), _STORED_AT_ONCE):
            await self._store(deliveries[start : start + _STORED_AT_ONCE])

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        """Store deliveries, and offer those that were not stored before as far as there is room for them."""
        until, claimed = self._dispatcher.claim_end(), self._claimable(deliveries)
        new = await self._deliveries.add(deliveries, claimed)
        self._dispatcher.offer((delivery for delivery in new if delivery.key in claimed), until)

    def _recent(self, executions: Iterable[ExecutionChanged], at: datetime) -> list[Happened]:
        """Return what happened recently enough to be told."""
        happened = [h for execution in executions if (h := what_happened(execution)) is not None]
        recent = [h for h in happened if h.execution.occurred_at + self._give_up > at]
        if len(recent) < len(happened):
            _log.warning("callbacks_too_late", count=len(happened) - len(recent))
        return recent

    def _claimable(self, deliveries: Sequence[Delivery]) -> set[str]:
        """Return the keys of those that can be posted soon: of each receiver as many as it has room for."""
        rooms = {target: self._dispatcher.room(target) for target in {d.target for d in deliveries}}
        counts: Counter[str] = Counter()
        keys = set()
        for delivery in deliveries:
            counts[delivery.target] += 1
            if counts[delivery.target] <= rooms[delivery.target]:
                keys.add(delivery.key)
        return keys


def _fewest_first(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return deliveries, those of the app with the fewest first; of each app they stay in their order."""
    by_app: defaultdict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        by_app[app_of(delivery.target)].append(delivery)
    return [delivery for of_app in sorted(by_app.values(), key=len) for delivery in of_app]


def _deliveries(
    happened: Sequence[Happened], subscriptions: Mapping[str, Sequence[Subscription]], at: datetime
) -> dict[str, Delivery]:
    """Return what is to be delivered, by key: the first event of those that report the same."""
    wanted: dict[str, Delivery] = {}
    for what in happened:
        for subscription in subscriptions.get(what.execution.app_id, ()):
            key = f"{subscription.subscription_id}:{what.delivery_id}"
            if subscription.event == what.event and key not in wanted:
                wanted[key] = _delivery(key, what, subscription, at)
    return wanted


def _delivery(key: str, what: Happened, subscription: Subscription, at: datetime) -> Delivery:
    return Delivery(
        key=key,
        delivery_id=what.delivery_id,
        target=target_of(subscription.app_id, subscription.callback_url),
        url=subscription.callback_url,
        body=body_of(what),
        secret=subscription.secret,
        created_at=min(what.execution.occurred_at, at),
        traceparent=what.execution.traceparent,
    )

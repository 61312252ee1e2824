"""Turns execution events into deliveries (R086, R151)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter

import structlog

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.ports import DeliveryStore, SubscriptionStore
from sluice_api.application.notifier.records import Delivery, delivery_key, delivery_to
from sluice_api.domain.callbacks.dialect import body_of
from sluice_api.domain.callbacks.happened import Happened, what_happened
from sluice_api.domain.models import Subscription
from sluice_common.bus import Received
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged

_log = structlog.get_logger()
_LOOKED_AT = 200
"""Events, at most, that are turned into deliveries at once: of so many the apps' subscriptions are read."""
_STORED_AT_ONCE = 50
"""Deliveries that are stored at once, unless one event makes more."""

_Event = tuple[Received, Happened]


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

    async def handle(self, records: Sequence[Received]) -> Sequence[Received]:
        """Store and offer the deliveries of some events, of each app in turn; return the others.

        So of all that is here nobody's waits for the many of another app. What the consumer has no room for waits in
        Kafka.

        Raises:
            PoisonError: The delivery of an event can never be stored.
        """
        at = now()
        events = _in_turns(self._recent(records, at))
        some = [what for _, what in events[:_LOOKED_AT]]
        if not some:
            return ()
        # Read after the events: whoever had subscribed when they happened is there.
        subscriptions = await self._subscriptions.of_apps({what.execution.app_id for what in some})
        deliveries, handled = _first_deliveries(some, subscriptions, at)
        await self._store(deliveries)
        return [record for record, _ in events[handled:]]

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        """Store deliveries, and offer those that were not stored before as far as there is room for them."""
        until, claimed = self._dispatcher.claim_end(), self._claimable(deliveries)
        new = await self._deliveries.add(deliveries, claimed)
        self._dispatcher.offer((delivery for delivery in new if delivery.key in claimed), until)

    def _recent(self, records: Iterable[Received], at: datetime) -> list[_Event]:
        """Return the records that report something which happened recently enough to be told."""
        happened = [
            (record, what)
            for record in records
            if isinstance(record.message, ExecutionChanged) and (what := what_happened(record.message)) is not None
        ]
        recent = [(record, what) for record, what in happened if what.execution.occurred_at + self._give_up > at]
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


def _in_turns(events: Iterable[_Event]) -> Sequence[_Event]:
    """Return events: the first one of each app, then each app's second one, and so on."""
    counts: Counter[str] = Counter()
    ranked: list[tuple[int, _Event]] = []
    for event in events:
        app_id = event[1].execution.app_id
        ranked.append((counts[app_id], event))
        counts[app_id] += 1
    return [event for _, event in sorted(ranked, key=itemgetter(0))]


def _first_deliveries(
    happened: Sequence[Happened], subscriptions: Mapping[str, Sequence[Subscription]], at: datetime
) -> tuple[Sequence[Delivery], int]:
    """Return what is to be delivered of some first events, once if they report the same, and how many these are."""
    wanted: dict[str, Delivery] = {}
    for handled, what in enumerate(happened):
        more = {
            key: _delivery(what, subscription, at)
            for subscription in subscriptions.get(what.execution.app_id, ())
            if subscription.event == what.event
            and (key := delivery_key(subscription.subscription_id, what.delivery_id)) not in wanted
        }
        if wanted and len(wanted) + len(more) > _STORED_AT_ONCE:
            return list(wanted.values()), handled
        wanted |= more
    return list(wanted.values()), len(happened)


def _delivery(what: Happened, subscription: Subscription, at: datetime) -> Delivery:
    happened_at = min(what.execution.occurred_at, at)
    return delivery_to(subscription, what.delivery_id, body_of(what), happened_at, what.execution.traceparent)

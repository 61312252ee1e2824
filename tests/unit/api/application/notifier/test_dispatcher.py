"""Deliveries in memory: none for a subscription that is gone, none claimed without room."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sluice_api.adapters.callback_client import CallbackClient
from sluice_api.adapters.mongo.notifier.deliveries import Deliveries, Delivery
from sluice_api.adapters.mongo.notifier.subscribers import Subscribers
from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.settings import NotifierSettings
from sluice_common.messages.base import now

DEAD, GOOD = "dead:80", "good:80"


class Database:
    """Subscriptions and deliveries."""

    def __init__(self, **subscribed: str) -> None:
        self.subscribed = subscribed
        self.due: list[Delivery] = []
        self.asked: Counter[str] = Counter()
        self.outcomes: dict[str, str] = {}

    async def targets(self) -> dict[str, str]:
        return dict(self.subscribed)

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        self.asked[target] += 1
        claimed = [d for d in self.due if d.target == target][:limit]
        self.due = [d for d in self.due if d not in claimed]
        return claimed

    async def record(self, outcomes: Sequence[tuple[Delivery, datetime | None, str]]) -> None:
        self.outcomes |= {delivery.key: status for delivery, _, status in outcomes}


class Receivers:
    """One is dead: calls of it never end."""

    def __init__(self) -> None:
        self.called: list[str] = []

    async def post(self, delivery: Delivery) -> str | None:
        self.called.append(delivery.key)
        if delivery.target == DEAD:
            await asyncio.Event().wait()
        return None


def delivery(subscription_id: str, number: int, target: str) -> Delivery:
    return Delivery(
        key=f"{subscription_id}:{number}",
        delivery_id=str(number),
        target=target,
        url=f"http://{target}/",
        body=b"{}",
        secret=None,
        created_at=now(),
    )


def dispatcher(database: Database, receivers: Receivers) -> Dispatcher:
    settings = NotifierSettings(callback_queue=10, callback_concurrency=2)
    fake: Any = database
    return Dispatcher(
        settings, cast("Subscribers", fake), cast("Deliveries", fake), cast("CallbackClient", cast("Any", receivers))
    )


async def rest() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_waits_for_a_dead_receiver_keeps_no_other_back() -> None:
    database, receivers = Database(a=DEAD, b=GOOD), Receivers()
    database.due = [delivery("a", n, DEAD) for n in range(1000)] + [delivery("b", 0, GOOD)]
    deliveries = dispatcher(database, receivers)
    for _ in range(5):
        await deliveries.scan()
        await rest()
    assert "b:0" in receivers.called
    assert len([d for d in database.due if d.target == DEAD]) == 990
    assert database.asked == {DEAD: 1, GOOD: 5}


async def test_a_subscription_that_is_gone_is_called_no_more() -> None:
    database, receivers = Database(a=DEAD), Receivers()
    deliveries = dispatcher(database, receivers)
    deliveries.offer(delivery("a", n, DEAD) for n in range(2))
    await rest()
    deliveries.offer(delivery("b", n, DEAD) for n in range(3))
    database.subscribed = {"b": GOOD}
    await deliveries.scan()
    deliveries.offer([delivery("b", 3, GOOD), delivery("a", 9, GOOD)])
    await rest()
    await deliveries.flush()
    assert receivers.called == ["a:0", "a:1", "b:3"]
    assert database.outcomes == {"b:3": "DELIVERED", "a:9": "GIVEN_UP"}


async def test_a_subscription_that_is_new_since_the_last_scan_is_called() -> None:
    database, receivers = Database(), Receivers()
    deliveries = dispatcher(database, receivers)
    await deliveries.scan()
    deliveries.offer([delivery("new", 0, GOOD)])
    await rest()
    assert receivers.called == ["new:0"]


async def test_every_receiver_has_its_turn() -> None:
    database = Database(**{f"s{n}": f"host{n}:80" for n in range(250)})
    deliveries = dispatcher(database, Receivers())
    for _ in range(5):
        await deliveries.scan()
    assert set(database.asked) == set(database.subscribed.values())
    assert set(database.asked.values()) == {2}

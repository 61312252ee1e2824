"""Deliveries in memory: none for a deleted subscription, none claimed without room."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import msgspec

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.records import Delivery, DeliveryStatus, DispatchLimits, Outcome
from sluice_api.domain.models import Subscription
from sluice_common.messages.base import now

DEAD, GOOD = "dead:80", "good:80"


class Database:
    """Subscriptions and deliveries."""

    def __init__(self, **subscribed: str) -> None:
        self.subscribed = subscribed
        self.due: list[Delivery] = []
        self.asked: Counter[str] = Counter()
        self.outcomes: dict[str, DeliveryStatus] = {}
        self.recorded: list[Outcome] = []

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        raise NotImplementedError("the dispatcher does not ask")

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        raise NotImplementedError("the dispatcher does not ask")

    async def targets(self) -> dict[str, str]:
        return dict(self.subscribed)

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        self.asked[target] += 1
        claimed = [d for d in self.due if d.target == target][:limit]
        self.due = [d for d in self.due if d not in claimed]
        return claimed

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        self.recorded += outcomes
        self.outcomes |= {outcome.delivery.key: outcome.status for outcome in outcomes}


class Receivers:
    """One is dead: calls of it never end."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.cancelled = 0
        self.failure: str | None = None

    async def post(self, delivery: Delivery) -> str | None:
        self.called.append(delivery.key)
        if delivery.target == DEAD:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        return self.failure


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
    limits = DispatchLimits(queue=10, concurrency=2, scan=1.0, retry_first=1.0, retry_max=60.0, give_up=3600.0)
    return Dispatcher(limits, database, database, receivers)


async def rest() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_deliveries_to_a_dead_receiver_keep_no_other_back() -> None:
    database, receivers = Database(a=DEAD, b=GOOD), Receivers()
    database.due = [delivery("a", n, DEAD) for n in range(1000)] + [delivery("b", 0, GOOD)]
    deliveries = dispatcher(database, receivers)
    for _ in range(5):
        await deliveries.scan()
        await rest()
    assert "b:0" in receivers.called
    assert len([d for d in database.due if d.target == DEAD]) == 990
    assert database.asked == {DEAD: 1, GOOD: 5}


async def test_a_deleted_subscription_is_called_no_more() -> None:
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


async def test_scans_claim_for_every_receiver_in_turn() -> None:
    database = Database(**{f"s{n}": f"host{n}:80" for n in range(250)})
    deliveries = dispatcher(database, Receivers())
    for _ in range(5):
        await deliveries.scan()
    assert set(database.asked) == set(database.subscribed.values())
    assert set(database.asked.values()) == {2}


async def test_a_failed_delivery_is_counted_and_tried_again_later() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.failure = "status 500"
    deliveries = dispatcher(database, receivers)
    deliveries.offer([delivery("a", 0, GOOD)])
    await rest()
    await deliveries.flush()
    (outcome,) = database.recorded
    assert (outcome.status, outcome.delivery.attempts) == (DeliveryStatus.PENDING, 1)
    assert outcome.next_at is not None
    assert outcome.next_at > now()


async def test_a_delivery_that_fails_for_too_long_is_given_up() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.failure = "status 500"
    deliveries = dispatcher(database, receivers)
    old = msgspec.structs.replace(delivery("a", 0, GOOD), created_at=now() - timedelta(hours=2))
    deliveries.offer([old])
    await rest()
    await deliveries.flush()
    assert database.outcomes == {"a:0": DeliveryStatus.GIVEN_UP}


async def test_cancelling_the_dispatcher_ends_the_posts_that_are_under_way() -> None:
    database, receivers = Database(a=DEAD), Receivers()
    deliveries = dispatcher(database, receivers)
    running = asyncio.create_task(deliveries.run())
    deliveries.offer([delivery("a", 0, DEAD)])
    await rest()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (receivers.called, receivers.cancelled) == (["a:0"], 1)

"""Deliveries in memory: what one receiver does costs no other, and nothing is held longer than its claim."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from structlog.testing import capture_logs

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.records import Delivery, DispatchLimits, Outcome, Trouble
from sluice_api.application.notifier.troubles import Troubles
from sluice_api.domain.callbacks.dialect import Answer
from sluice_api.domain.models import DeliveryStatus, Subscription
from sluice_common.messages.base import now
from sluice_common.supervision import Backoff

DEAD, GOOD = "a/dead:80", "b/good:80"
LIMITS = DispatchLimits(
    queue=10,
    concurrency=2,
    app_concurrency=4,
    breaker=5,
    post_within=60.0,
    scan=1.0,
    retry_first=1.0,
    retry_max=60.0,
    give_up=3600.0,
)


class Database:
    """Subscriptions and deliveries."""

    def __init__(self, **subscribed: str) -> None:
        self.subscribed = subscribed
        self.due: list[Delivery] = []
        self.asked: Counter[str] = Counter()
        self.outcomes: dict[str, DeliveryStatus] = {}
        self.recorded: list[Outcome] = []
        self.troubles: dict[str, Trouble] = {}
        self.waiting: Counter[str] = Counter()
        self.released: list[str] = []
        self.unreachable: set[str] = set()
        self.failing = False
        self.waiting_elsewhere: set[str] = set()
        self.seeks = 0

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        raise NotImplementedError("the dispatcher does not ask")

    async def add(self, deliveries: Sequence[Delivery], claimed: Collection[str]) -> Sequence[Delivery]:
        raise NotImplementedError("the dispatcher does not ask")

    async def active(self, subscription_ids: Collection[str]) -> set[str]:
        return set(subscription_ids) & set(self.subscribed)

    async def next_target(self, after: str) -> str | None:
        self.seeks += 1
        waiting = {delivery.target for delivery in self.due} | self.waiting_elsewhere
        return min((target for target in waiting if target > after), default=None)

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        self.asked[target] += 1
        claimed = [d for d in self.due if d.target == target][:limit]
        self.due = [d for d in self.due if d not in claimed]
        return claimed

    async def release(self, keys: Sequence[str]) -> None:
        self.released += keys

    async def give_up_overdue(self, target: str, before: datetime, limit: int) -> Mapping[str, int]:
        overdue = [d for d in self.due if d.target == target and d.created_at < before][:limit]
        self.due = [d for d in self.due if d not in overdue]
        return Counter(d.subscription_id for d in overdue)

    async def give_up_all(self, subscription_id: str) -> int:
        if subscription_id in self.unreachable:
            raise ConnectionError("the database is away")
        return self.waiting.pop(subscription_id, 0)

    async def report(self, troubles: Mapping[str, Trouble], at: datetime) -> None:
        assert at <= now()
        self.troubles |= troubles
        for name in [name for name, trouble in troubles.items() if trouble.gone]:
            self.subscribed.pop(name, None)

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        if self.failing:
            raise ConnectionError("the database is away")
        self.recorded += outcomes
        self.outcomes |= {outcome.delivery.key: outcome.status for outcome in outcomes}


class Receivers:
    """One is dead: calls of it never end."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.cancelled = 0
        self.answer = Answer()

    async def post(self, delivery: Delivery) -> Answer:
        self.called.append(delivery.key)
        if delivery.target == DEAD:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        return self.answer


def delivery(subscription_id: str, number: int, target: str) -> Delivery:
    return Delivery(
        key=f"{subscription_id}:{number}",
        delivery_id=str(number),
        target=target,
        url=f"http://{target.partition('/')[2]}/",
        body=b"{}",
        secret=None,
        created_at=now(),
    )


def dispatcher(database: Database, receivers: Receivers, limits: DispatchLimits = LIMITS) -> Dispatcher:
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
    assert database.asked == {DEAD: 1, GOOD: 1}


async def test_however_many_slow_receivers_an_app_has_another_app_is_called_at_once() -> None:
    slow = [f"a/host{n}:80" for n in range(50)]
    database, receivers = Database(), Receivers()

    async def post(delivery: Delivery) -> Answer:
        receivers.called.append(delivery.key)
        if delivery.target != GOOD:
            await asyncio.Event().wait()
        return Answer()

    receivers.post = post  # type: ignore[method-assign]
    deliveries = dispatcher(database, receivers)
    deliveries.offer([delivery("a", n, target) for n, target in enumerate(slow)], deliveries.claim_end())
    deliveries.offer([delivery("b", 0, GOOD)], deliveries.claim_end())
    await rest()
    assert receivers.called == [*(f"a:{n}" for n in range(LIMITS.app_concurrency)), "b:0"]


async def test_a_deleted_subscription_is_called_no_more() -> None:
    database, receivers = Database(a=DEAD), Receivers()
    deliveries = dispatcher(database, receivers)
    deliveries.offer((delivery("a", n, DEAD) for n in range(2)), deliveries.claim_end())
    await rest()
    deliveries.offer((delivery("b", n, DEAD) for n in range(3)), deliveries.claim_end())
    database.subscribed = {"b": GOOD}
    await deliveries.scan()
    deliveries.offer([delivery("b", 3, GOOD), delivery("a", 9, GOOD)], deliveries.claim_end())
    await rest()
    await deliveries.close()
    assert receivers.called == ["a:0", "a:1", "b:3"]
    assert database.outcomes == {"b:3": "DELIVERED", "a:9": "GIVEN_UP"}


async def test_a_subscription_that_is_new_since_the_last_scan_is_called() -> None:
    database, receivers = Database(), Receivers()
    deliveries = dispatcher(database, receivers)
    await deliveries.scan()
    deliveries.offer([delivery("new", 0, GOOD)], deliveries.claim_end())
    await rest()
    assert receivers.called == ["new:0"]


async def test_scans_claim_for_every_receiver_in_turn() -> None:
    database = Database(**{f"s{n}": f"a/host{n}:80" for n in range(250)})
    database.waiting_elsewhere = set(database.subscribed.values())
    deliveries = dispatcher(database, Receivers())
    for _ in range(5):
        await deliveries.scan()
    assert set(database.asked) == set(database.subscribed.values())
    assert set(database.asked.values()) == {2}


async def test_a_scan_costs_nothing_for_subscriptions_that_nothing_waits_for() -> None:
    database = Database(**{f"s{n}": f"a/host{n}:80" for n in range(3000)})
    await dispatcher(database, Receivers()).scan()
    assert not database.asked
    assert database.seeks <= 2


async def test_of_more_apps_than_a_scan_looks_at_each_has_all_its_receivers_looked_at() -> None:
    database = Database(**{f"s{app}x{n}": f"app{app}/host{n}:80" for app in range(250) for n in range(3)})
    database.waiting_elsewhere = set(database.subscribed.values())
    deliveries = dispatcher(database, Receivers())
    for _ in range(8):
        await deliveries.scan()
    assert set(database.asked) == set(database.subscribed.values())


async def test_an_app_with_thousands_of_receivers_keeps_no_other_app_waiting_for_its_scan() -> None:
    database = Database(**{f"s{n}": f"a/host{n}:80" for n in range(3000)}, b=GOOD)
    database.waiting_elsewhere = set(database.subscribed.values())
    deliveries = dispatcher(database, Receivers())
    for _ in range(5):
        await deliveries.scan()
    assert database.asked[GOOD] == 5


async def test_a_failed_delivery_is_counted_and_tried_again_later() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.answer = Answer(failure="status 500")
    deliveries = dispatcher(database, receivers)
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end())
    await rest()
    await deliveries.close()
    (outcome,) = database.recorded
    assert (outcome.status, outcome.delivery.attempts) == (DeliveryStatus.PENDING, 1)
    assert outcome.next_at is not None
    assert outcome.next_at > now()


async def test_a_delivery_that_fails_for_too_long_is_given_up_and_its_owner_told() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.answer = Answer(failure="status 500")
    deliveries = dispatcher(database, receivers)
    old = msgspec.structs.replace(delivery("a", 0, GOOD), created_at=now() - timedelta(hours=2))
    deliveries.offer([old], deliveries.claim_end())
    await rest()
    await deliveries.close()
    assert database.outcomes == {"a:0": DeliveryStatus.GIVEN_UP}
    assert database.troubles == {"a": Trouble(failure="status 500", given_up=1)}


async def test_a_receiver_that_takes_nothing_is_called_by_one_post_a_pause_whatever_waits_for_it() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.answer = Answer(failure="status 500")
    deliveries = dispatcher(database, receivers)
    database.due = [delivery("a", n, GOOD) for n in range(1000)]
    for _ in range(20):
        await deliveries.scan()
        await rest()
    assert len(receivers.called) == LIMITS.breaker
    assert len(database.due) >= 1000 - LIMITS.queue


async def test_a_receiver_that_asks_for_a_pause_gets_it_at_once() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.answer = Answer(failure="status 429", retry_after=120.0)
    deliveries = dispatcher(database, receivers, msgspec.structs.replace(LIMITS, concurrency=1))
    deliveries.offer([delivery("a", n, GOOD) for n in range(5)], deliveries.claim_end())
    await rest()
    await deliveries.close()
    assert receivers.called == ["a:0"]
    (outcome,) = database.recorded
    assert outcome.next_at is not None
    assert timedelta(seconds=115) < outcome.next_at - now() <= timedelta(seconds=120)


async def test_a_receiver_that_says_twice_in_a_row_that_it_is_gone_ends_its_subscription_and_what_waits_for_it() -> (
    None
):
    database, receivers = Database(a=GOOD), Receivers()
    database.waiting["a"] = 40
    receivers.answer = Answer(failure="status 410", gone=True)
    deliveries = dispatcher(database, receivers)
    for number in range(2):
        deliveries.offer([delivery("a", number, GOOD)], deliveries.claim_end())
        await rest()
    with capture_logs() as logs:
        await deliveries.close()
        assert database.troubles["a"] == Trouble(failure="status 410", given_up=1, gone=True)
        await deliveries.scan()
    assert database.troubles["a"] == Trouble(failure="status 410", given_up=40)
    assert database.outcomes == {"a:0": "PENDING", "a:1": "GIVEN_UP"}
    assert [log["event"] for log in logs] == ["callbacks_given_up", "subscription_ended", "callbacks_given_up"]


@pytest.mark.parametrize("between", [Answer(), Answer(failure="status 500")])
async def test_a_receiver_that_says_once_in_a_while_that_it_is_gone_is_called_again(between: Answer) -> None:
    database, receivers = Database(a=GOOD), Receivers()
    deliveries = dispatcher(database, receivers)
    gone = Answer(failure="status 410", gone=True)
    for number, answer in enumerate((gone, between, gone)):
        receivers.answer = answer
        deliveries.offer([delivery("a", number, GOOD)], deliveries.claim_end())
        await rest()
    await deliveries.close()
    assert "GIVEN_UP" not in database.outcomes.values()
    assert not database.troubles["a"].gone


async def test_what_has_waited_for_too_long_at_a_suspended_receiver_is_given_up_without_a_post() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    receivers.answer = Answer(failure="status 500")
    deliveries = dispatcher(database, receivers, msgspec.structs.replace(LIMITS, breaker=1))
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end())
    await rest()
    old = now() - timedelta(hours=2)
    database.due = [msgspec.structs.replace(delivery("a", n, GOOD), created_at=old) for n in range(1, 50)]
    await deliveries.scan()
    await deliveries.close()
    assert receivers.called == ["a:0"]
    assert database.troubles["a"].given_up == 49


async def test_a_claim_that_may_end_before_its_post_does_is_left_to_others() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    deliveries = dispatcher(database, receivers)
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end() - LIMITS.post_within - 1.0)
    deliveries.offer([delivery("a", 1, GOOD)], deliveries.claim_end())
    await rest()
    assert receivers.called == ["a:1"]


async def test_a_slow_receiver_has_no_more_claimed_for_it_than_it_takes_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    database, receivers = Database(a=GOOD), Receivers()
    deliveries = dispatcher(database, receivers, msgspec.structs.replace(LIMITS, queue=1000, post_within=15.0))
    assert deliveries.room(GOOD) == 1000

    async def post(delivery: Delivery) -> Answer:
        receivers.called.append(delivery.key)
        seconds[0] += 1.0
        return Answer()

    receivers.post = post  # type: ignore[method-assign]
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end())
    await rest()
    assert deliveries.room(GOOD) == 30


async def test_a_database_that_is_slow_to_claim_leaves_time_to_post_what_it_has_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    database, receivers = Database(a=GOOD), Receivers()
    database.due = [delivery("a", n, GOOD) for n in range(1000)]

    async def claim_due(target: str, limit: int) -> list[Delivery]:
        seconds[0] += limit * 0.1
        return await Database.claim_due(database, target, limit)

    database.claim_due = claim_due  # type: ignore[method-assign]
    deliveries = dispatcher(database, receivers, msgspec.structs.replace(LIMITS, queue=1000, post_within=15.0))
    await deliveries.scan()
    for _ in range(100):
        await rest()
    assert len(receivers.called) == 100


async def test_outcomes_that_the_database_does_not_take_are_written_later_and_nothing_is_posted_twice() -> None:
    database, receivers = Database(a=GOOD), Receivers()
    deliveries = dispatcher(database, receivers)
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end())
    await rest()
    database.failing = True
    with capture_logs() as logs:
        await deliveries.close()
    assert [log["event"] for log in logs] == ["callbacks_not_released"]
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end())
    await rest()
    database.failing = False
    await deliveries.close()
    assert receivers.called == ["a:0"]
    assert database.outcomes == {"a:0": "DELIVERED"}


async def test_the_dispatcher_goes_on_after_an_outage_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice_api.application.notifier.dispatcher._FLUSH_INTERVAL", 0.0)
    monkeypatch.setattr("sluice_api.application.notifier.dispatcher._BACKOFF", Backoff(first=0.0))
    database, receivers = Database(a=GOOD), Receivers()
    database.failing = True
    deliveries = dispatcher(database, receivers)
    running = asyncio.create_task(deliveries.run())
    deliveries.offer([delivery("a", 0, GOOD)], deliveries.claim_end())
    with capture_logs() as logs:
        await rest()
        database.failing = False
        await rest()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert logs[0]["event"] == "callback_outcomes_not_recorded"
    assert database.outcomes == {"a:0": "DELIVERED"}


@pytest.mark.parametrize("ends", [True, False])
async def test_a_notifier_that_stops_lets_posts_end_for_a_while_and_releases_what_it_has_claimed(
    monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    monkeypatch.setattr("sluice_api.application.notifier.dispatcher._STOP_SECONDS", 60.0 if ends else 0.01)
    database, answering = Database(a=GOOD), asyncio.Event()
    receivers = Receivers()

    async def post(delivery: Delivery) -> Answer:
        receivers.called.append(delivery.key)
        await answering.wait()
        return Answer()

    receivers.post = post  # type: ignore[method-assign]
    deliveries = dispatcher(database, receivers)
    running = asyncio.create_task(deliveries.run())
    deliveries.offer([delivery("a", n, GOOD) for n in range(5)], deliveries.claim_end())
    await rest()
    running.cancel()
    await rest()
    assert not running.done()
    if ends:
        answering.set()
    await asyncio.gather(running, return_exceptions=True)
    await deliveries.close()
    assert receivers.called == ["a:0", "a:1"]
    assert database.outcomes == ({"a:0": "DELIVERED", "a:1": "DELIVERED"} if ends else {})
    assert sorted(database.released) == [f"a:{n}" for n in range(2 if ends else 0, 5)]


@pytest.mark.parametrize("unreachable", ["a", "b", "c"])
async def test_of_subscriptions_that_end_together_each_gives_up_what_waits_for_it(unreachable: str) -> None:
    database = Database(a=DEAD, b=DEAD, c=DEAD)
    database.waiting.update(a=3, b=3, c=3)
    database.unreachable = {unreachable}
    troubles = Troubles(database, database)
    for name in ("a", "b", "c"):
        troubles.note(name, "status 410", given_up=1, gone=True)
    await troubles.report()
    assert set(database.waiting) == {unreachable}
    database.unreachable.clear()
    await troubles.report()
    assert not database.waiting
    await troubles.report()
    assert {name: trouble.given_up for name, trouble in database.troubles.items()} == {"a": 3, "b": 3, "c": 3}

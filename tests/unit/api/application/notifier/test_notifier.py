from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from structlog.testing import capture_logs

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.notifier import Notifier
from sluice_api.application.notifier.records import Delivery, DispatchLimits, Outcome, Trouble
from sluice_api.domain.callbacks.dialect import Answer
from sluice_api.domain.models import CallbackEvent, Subscription
from sluice_common.bus import Received
from sluice_common.errors import PoisonError
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Step

AT = now()
GIVE_UP = 3600.0
ENDED = ExecutionChanged(
    app_id="a",
    occurred_at=AT,
    execution_id="t:d",
    task_id="t",
    device_id="d",
    version=3,
    status=ExecutionStatus.SUCCEEDED,
    step=Step.ENDED,
    attempt=1,
    max_retries=0,
    target_version="2",
    created_at=AT,
)
DOWNLOADING = msgspec.structs.replace(
    ENDED, status=ExecutionStatus.RUNNING, step=Step.DOWNLOADING, firmware_state=1, version=2
)


def subscription(name: str, event: CallbackEvent = CallbackEvent.RESULT, app_id: str = "a") -> Subscription:
    return Subscription(
        subscription_id=name, app_id=app_id, event=event, callback_url=f"http://{name}/", secret=None, created_at=AT
    )


class FakeStores:
    """Subscriptions, and the deliveries that are known."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.subscriptions = subscriptions
        self.known: dict[str, Delivery] = {}
        self.added: list[list[str]] = []
        self.claimed: set[str] = set()
        self.poison = False

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        return {app_id: [s for s in self.subscriptions if s.app_id == app_id] for app_id in app_ids}

    async def active(self, subscription_ids: Collection[str]) -> set[str]:
        raise NotImplementedError("the notifier does not ask")

    async def add(self, deliveries: Sequence[Delivery], claimed: Collection[str]) -> Sequence[Delivery]:
        if self.poison:
            raise PoisonError("too large")
        self.claimed |= set(claimed)
        self.added.append([delivery.key for delivery in deliveries])
        new = [delivery for delivery in deliveries if delivery.key not in self.known]
        self.known |= {delivery.key: delivery for delivery in new}
        return new

    async def next_target(self, after: str) -> str | None:
        raise NotImplementedError("the notifier does not ask")

    async def claim_due(self, target: str, limit: int) -> Sequence[Delivery]:
        raise NotImplementedError("the notifier does not ask")

    async def release(self, keys: Sequence[str]) -> None:
        raise NotImplementedError("the notifier does not ask")

    async def give_up_overdue(self, target: str, before: datetime, limit: int) -> Mapping[str, int]:
        raise NotImplementedError("the notifier does not ask")

    async def give_up_all(self, subscription_id: str) -> int:
        raise NotImplementedError("the notifier does not ask")

    async def report(self, troubles: Mapping[str, Trouble], at: datetime) -> None:
        raise NotImplementedError("the notifier does not ask")

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        raise NotImplementedError("the notifier does not ask")


class FakeDispatcher(Dispatcher):
    """Notes what it is offered."""

    def __init__(self, stores: FakeStores, queue: int) -> None:
        limits = DispatchLimits(
            queue=queue,
            concurrency=1,
            app_concurrency=1,
            breaker=1,
            post_within=1.0,
            scan=1.0,
            retry_first=1.0,
            retry_max=1.0,
            give_up=1.0,
        )
        super().__init__(limits, stores, stores, NoClient())
        self.offered: list[str] = []

    def offer(self, deliveries: Iterable[Delivery], until: float) -> None:
        assert until > 0
        self.offered += [delivery.key for delivery in deliveries]


class NoClient:
    """Posts nothing."""

    async def post(self, delivery: Delivery) -> Answer:
        raise NotImplementedError("the notifier does not ask")


def records(*events: ExecutionChanged) -> list[Received]:
    return [Received(event, "execution-events", 0, 0) for event in events]


async def offered(stores: FakeStores, *events: ExecutionChanged, queue: int = 100) -> list[str]:
    """Return the keys of the deliveries that come of events and are claimed."""
    dispatcher = FakeDispatcher(stores, queue)
    assert not await Notifier(stores, stores, dispatcher, GIVE_UP).handle(records(*events))
    return dispatcher.offered


async def test_an_event_is_delivered_to_the_subscriptions_of_its_app_and_kind() -> None:
    stores = FakeStores(
        subscription("result"),
        subscription("changes", CallbackEvent.STATE_CHANGED),
        subscription("stranger", app_id="b"),
    )
    assert await offered(stores, ENDED) == ["result:t:d:SUCCEEDED"]
    assert await offered(stores, DOWNLOADING) == ["changes:t:d:1:1"]
    assert stores.known["result:t:d:SUCCEEDED"].url == "http://result/"


async def test_an_event_that_comes_again_makes_no_second_delivery() -> None:
    stores = FakeStores(subscription("s"))
    assert await offered(stores, ENDED, ENDED) == ["s:t:d:SUCCEEDED"]
    assert await offered(stores, msgspec.structs.replace(ENDED, version=9)) == []


async def test_a_delivery_that_can_never_be_stored_is_poison() -> None:
    stores = FakeStores(subscription("s"))
    stores.poison = True
    with pytest.raises(PoisonError):
        await offered(stores, ENDED)


async def test_what_a_receiver_has_no_room_for_is_stored_for_anybody_to_claim() -> None:
    stores = FakeStores(subscription("s"))
    events = [msgspec.structs.replace(ENDED, execution_id=f"t:{n}") for n in range(5)]
    first = ["s:t:0:SUCCEEDED", "s:t:1:SUCCEEDED"]
    assert await offered(stores, *events, queue=2) == first
    assert len(stores.known) == 5
    assert stores.claimed == set(first)


async def test_results_of_apps_are_stored_in_turns_and_some_at_a_time_so_that_few_do_not_wait_for_many() -> None:
    stores = FakeStores(subscription("one"), subscription("two"), subscription("few", app_id="b"))
    many = [msgspec.structs.replace(ENDED, execution_id=f"t:{n}") for n in range(300)]
    few = msgspec.structs.replace(ENDED, app_id="b", execution_id="u:0")
    dispatcher = FakeDispatcher(stores, queue=1000)
    notifier = Notifier(stores, stores, dispatcher, GIVE_UP)
    left = await notifier.handle(records(*many, few))
    assert dispatcher.offered[:3] == ["one:t:0:SUCCEEDED", "two:t:0:SUCCEEDED", "few:u:0:SUCCEEDED"]
    assert len(dispatcher.offered) == 49, (
        "the deliveries of an event are stored together, and no more than fifty at once"
    )
    left = await notifier.handle([*left, *records(msgspec.structs.replace(few, execution_id="u:1"))])
    assert dispatcher.offered[49:52] == ["one:t:24:SUCCEEDED", "two:t:24:SUCCEEDED", "few:u:1:SUCCEEDED"]
    while left:
        left = await notifier.handle(left)
    stored = [key for keys in stores.added for key in keys]
    assert [key for key in stored if key.startswith("one")] == [f"one:t:{n}:SUCCEEDED" for n in range(300)]
    assert len(stored) == len(set(stored)) == 602


async def test_an_event_of_an_app_with_many_subscriptions_is_stored_alone() -> None:
    stores = FakeStores(*(subscription(str(n)) for n in range(100)), subscription("few", app_id="b"))
    few = [msgspec.structs.replace(ENDED, app_id="b", execution_id=f"u:{n}") for n in range(20)]
    notifier = Notifier(stores, stores, FakeDispatcher(stores, queue=1000), GIVE_UP)
    left: Sequence[Received] = records(*few, ENDED)
    while left:
        left = await notifier.handle(left)
    assert [len(keys) for keys in stores.added] == [1, 100, 19]


async def test_a_callback_is_as_old_as_its_event() -> None:
    stores = FakeStores(subscription("s"))
    await offered(stores, msgspec.structs.replace(ENDED, occurred_at=AT - timedelta(minutes=5)))
    assert stores.known["s:t:d:SUCCEEDED"].created_at == AT - timedelta(minutes=5)


async def test_a_consumer_whose_position_is_lost_announces_no_old_result_anew() -> None:
    stores = FakeStores(subscription("s"))
    old = msgspec.structs.replace(ENDED, occurred_at=AT - timedelta(seconds=GIVE_UP + 1))
    with capture_logs() as logs:
        assert await offered(stores, old, msgspec.structs.replace(old, execution_id="t:e"), DOWNLOADING) == []
    assert stores.known == {}
    assert [(log["event"], log["count"]) for log in logs] == [("callbacks_too_late", 2)]

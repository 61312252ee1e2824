from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.notifier import Notifier
from sluice_api.application.notifier.records import Delivery, DispatchLimits, Outcome
from sluice_api.domain.models import CallbackEvent, Subscription
from sluice_common.bus import Received
from sluice_common.errors import PoisonError
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Step

AT = datetime(2026, 11, 22, tzinfo=UTC)
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
        self.poison = False

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        return {app_id: [s for s in self.subscriptions if s.app_id == app_id] for app_id in app_ids}

    async def targets(self) -> Mapping[str, str]:
        raise NotImplementedError("the notifier does not ask")

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        if self.poison:
            raise PoisonError("too large")
        new = [delivery for delivery in deliveries if delivery.key not in self.known]
        self.known |= {delivery.key: delivery for delivery in new}
        return new

    async def claim_due(self, target: str, limit: int) -> Sequence[Delivery]:
        raise NotImplementedError("the notifier does not ask")

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        raise NotImplementedError("the notifier does not ask")


class FakeDispatcher(Dispatcher):
    """Notes what it is offered."""

    def __init__(self, stores: FakeStores) -> None:
        limits = DispatchLimits(queue=1, concurrency=1, scan=1.0, retry_first=1.0, retry_max=1.0, give_up=1.0)
        super().__init__(limits, stores, stores, NoClient())
        self.offered: list[str] = []

    def offer(self, deliveries: object) -> None:
        assert isinstance(deliveries, Sequence)
        self.offered += [delivery.key for delivery in deliveries]


class NoClient:
    """Posts nothing."""

    async def post(self, delivery: Delivery) -> str | None:
        raise NotImplementedError("the notifier does not ask")


async def offered(stores: FakeStores, *events: ExecutionChanged) -> list[str]:
    """Return the keys of the deliveries that come of events."""
    dispatcher = FakeDispatcher(stores)
    await Notifier(stores, stores, dispatcher).handle([Received(event, "execution-events", 0, 0) for event in events])
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

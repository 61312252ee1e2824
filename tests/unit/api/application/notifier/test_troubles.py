"""What owners of subscriptions are told: nothing that fails for one subscription is missing at another."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import pytest

from sluice_api.application.notifier.records import Delivery, Outcome, Trouble
from sluice_api.application.notifier.troubles import Troubles
from sluice_api.domain.models import Subscription


class Database:
    """Subscriptions that are told, and deliveries that wait for them; those of some cannot be given up."""

    def __init__(self, **waiting: int) -> None:
        self.waiting = waiting
        self.unreachable: set[str] = set()
        self.reported: dict[str, Trouble] = {}

    async def report(self, troubles: Mapping[str, Trouble], at: datetime) -> None:  # noqa: ARG002 - the time is not looked at
        self.reported |= troubles

    async def give_up_all(self, subscription_id: str) -> int:
        if subscription_id in self.unreachable:
            raise ConnectionError("the database is away")
        return self.waiting.pop(subscription_id, 0)

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        raise NotImplementedError("owners are told, not found")

    async def add(self, deliveries: Sequence[Delivery], claimed: Collection[str]) -> Sequence[Delivery]:
        raise NotImplementedError("owners are told, not called back")

    async def targets(self) -> dict[str, str]:
        raise NotImplementedError("owners are told, not called back")

    async def claim_due(self, target: str, limit: int) -> list[Delivery]:
        raise NotImplementedError("owners are told, not called back")

    async def release(self, keys: Sequence[str]) -> None:
        raise NotImplementedError("owners are told, not called back")

    async def give_up_overdue(self, target: str, before: datetime, limit: int) -> Mapping[str, int]:
        raise NotImplementedError("owners are told, not called back")

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        raise NotImplementedError("owners are told, not called back")


@pytest.mark.parametrize("unreachable", ["a", "b", "c"])
async def test_of_subscriptions_that_end_together_each_gives_up_what_waits_for_it(unreachable: str) -> None:
    database = Database(a=3, b=3, c=3)
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
    assert {name: trouble.given_up for name, trouble in database.reported.items()} == {"a": 3, "b": 3, "c": 3}

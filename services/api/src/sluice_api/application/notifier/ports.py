"""What the notifier needs: subscriptions, stored deliveries, and a way to post."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sluice_api.application.notifier.records import Delivery, Outcome, Trouble
from sluice_api.domain.callbacks.dialect import Answer
from sluice_api.domain.models import Subscription


class SubscriptionStore(Protocol):
    """The subscriptions of all apps that have not ended.

    They are read anew each time: one that was made before an event gets its callback.
    """

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        """Return the subscriptions of apps, by app."""
        ...

    async def active(self, subscription_ids: Collection[str]) -> set[str]:
        """Return those that are there and have not ended."""
        ...

    async def report(self, troubles: Mapping[str, Trouble], at: datetime) -> None:
        """Tell the owners of subscriptions of callbacks that did not arrive, by subscription."""
        ...


class DeliveryStore(Protocol):
    """The queue of deliveries: whoever claims one has it for the time of a lease."""

    async def add(self, deliveries: Sequence[Delivery], claimed: Collection[str]) -> Sequence[Delivery]:
        """Store new deliveries and return those that were not known.

        Args:
            deliveries: All of them.
            claimed: The keys of those that the caller claims; the others are due.

        Raises:
            PoisonError: One of them can never be stored.
        """
        ...

    async def next_target(self, after: str) -> str | None:
        """Return the next receiver in the order of names for which something waits; None if there is none."""
        ...

    async def claim_due(self, target: str, limit: int) -> Sequence[Delivery]:
        """Claim deliveries to a receiver that are due: failed ones, and those whose notifier has died."""
        ...

    async def release(self, keys: Sequence[str]) -> None:
        """Let others claim deliveries at once."""
        ...

    async def give_up_overdue(self, target: str, before: datetime, limit: int) -> Mapping[str, int]:
        """Give up deliveries to a receiver that were due before a time; return how many, by subscription."""
        ...

    async def give_up_all(self, subscription_id: str) -> int:
        """Give up what waits for a subscription; return how many there were."""
        ...

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record what has become of deliveries."""
        ...


class CallbackClient(Protocol):
    """HTTP to the receivers."""

    async def post(self, delivery: Delivery) -> Answer:
        """Post a delivery within a deadline; return what became of it. Raises nothing."""
        ...

"""What the notifier needs: subscriptions, stored deliveries, and a way to post."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sluice_api.application.notifier.records import Delivery, Outcome
from sluice_api.domain.models import Subscription


class SubscriptionStore(Protocol):
    """The subscriptions of all apps, read anew each time: one that was made before an event gets its callback."""

    async def of_apps(self, app_ids: Collection[str]) -> Mapping[str, Sequence[Subscription]]:
        """Return the subscriptions of apps, by app."""
        ...

    async def targets(self) -> Mapping[str, str]:
        """Return the receivers of all subscriptions, by subscription."""
        ...


class DeliveryStore(Protocol):
    """The queue of deliveries: whoever stores or claims one has it for the time of a lease."""

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Store new deliveries under a lease and return those that were not known.

        Raises:
            PoisonError: One of them can never be stored.
        """
        ...

    async def claim_due(self, target: str, limit: int) -> Sequence[Delivery]:
        """Claim deliveries to a receiver that are due: failed ones, and those whose notifier has died."""
        ...

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record what has become of deliveries."""
        ...


class CallbackClient(Protocol):
    """HTTP to the receivers."""

    async def post(self, delivery: Delivery) -> str | None:
        """Post a delivery; return None if the receiver took it, else why not."""
        ...

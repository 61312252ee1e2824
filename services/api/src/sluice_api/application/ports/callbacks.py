"""Callbacks of subscriptions, as app servers look after them."""

from datetime import datetime
from typing import Protocol

from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.models import CallbackDelivery, DeliveryStatus, Page, Subscription


class CallbackRepository(Protocol):
    """The deliveries; whose a subscription is, the caller has asked before."""

    async def page(
        self, subscription: Subscription, status: DeliveryStatus | None, limit: int, after: str | None
    ) -> Page[CallbackDelivery]:
        """Return one page of a subscription's deliveries.

        Raises:
            InvalidError: `after` is no cursor.
        """
        ...

    async def get(self, subscription_id: str, delivery_id: str) -> CallbackDelivery:
        """Return a delivery.

        Raises:
            NotFoundError: There is none (any more).
        """
        ...

    async def add(self, delivery: Delivery) -> None:
        """Let a delivery wait for the notifier."""
        ...

    async def repeat(self, subscription: Subscription, at: datetime, delivery_id: str) -> None:
        """Let a delivery that has ended wait again as a new one does; have one that waits posted at once."""
        ...

    async def repeat_given_up(self, subscription: Subscription, at: datetime) -> int:
        """Let deliveries that were given up wait again, some thousand at most; return how many these are."""
        ...

    async def change_secrets(self, subscription: Subscription) -> None:
        """Have what waits signed as the subscription says."""
        ...

"""Callbacks of subscriptions, as app servers look after them."""

from datetime import datetime
from typing import Protocol

from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.models import CallbackDelivery, DeliveryStatus, Page, Subscription


class CallbackRepository(Protocol):
    """The deliveries; whose a subscription is, the caller has asked before."""

    async def page(
        self, subscription_id: str, status: DeliveryStatus | None, limit: int, after: str | None
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

    async def repeat(self, subscription: Subscription, at: datetime, delivery_id: str | None = None) -> int:
        """Let a delivery wait again from now on as a new one does, or all that were given up; return how many."""
        ...

    async def change_secrets(self, subscription: Subscription, at: datetime) -> None:
        """Have what waits signed as the subscription says."""
        ...

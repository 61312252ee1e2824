"""Callbacks as app servers look after them: what became of each."""

from datetime import datetime
from enum import StrEnum

from sluice_api.domain.models.base import Record


class DeliveryStatus(StrEnum):
    """State of a delivery."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


class CallbackDelivery(Record, frozen=True, kw_only=True):
    """One callback of a subscription.

    Attributes:
        key: Subscription and delivery id.
        delivery_id: What it reports.
        attempts: Posts that have failed.
        created_at: When it happened, or when it was asked for again.
        next_at: When a pending one is posted next; while that is under way, when another notifier would take it over.
        ended_at: When its last post ended, or it was given up.
        failure: Why its last post failed.
        body: What is posted, JSON; empty in lists.
    """

    key: str
    delivery_id: str
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    next_at: datetime
    ended_at: datetime | None = None
    failure: str | None = None
    body: bytes = b""

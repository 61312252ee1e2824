"""Callbacks that shall reach their receivers, and how they are posted."""

from datetime import datetime

import msgspec

from sluice_api.domain.callback_urls import target_of
from sluice_api.domain.models import DeliveryStatus, Subscription


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One callback that shall reach one receiver.

    Attributes:
        key: Subscription and delivery id: what makes it one.
        delivery_id: What it reports.
        target: Receiver, `app/host:port`.
        url: Where to post.
        body: The JSON.
        secret: Secret that signs it, sealed; None signs nothing.
        previous_secret: One that `secret` is taking over from, sealed; it signs too.
        previous_until: Until when it does.
        created_at: When it happened, UTC.
        attempts: Attempts that have failed.
        traceparent: Trace context of the task.
    """

    key: str
    delivery_id: str
    target: str
    url: str
    body: bytes
    secret: str | None
    created_at: datetime
    previous_secret: str | None = None
    previous_until: datetime | None = None
    attempts: int = 0
    traceparent: str | None = None

    @property
    def subscription_id(self) -> str:
        """The subscription that it is for."""
        return self.key.partition(":")[0]


def delivery_to(
    subscription: Subscription, delivery_id: str, body: bytes, created_at: datetime, traceparent: str | None = None
) -> Delivery:
    """Return what shall be posted to the receiver of a subscription."""
    return Delivery(
        key=delivery_key(subscription.subscription_id, delivery_id),
        delivery_id=delivery_id,
        target=target_of(subscription.app_id, subscription.callback_url),
        url=subscription.callback_url,
        body=body,
        secret=subscription.secret,
        previous_secret=subscription.previous_secret,
        previous_until=subscription.previous_until,
        created_at=created_at,
        traceparent=traceparent,
    )


def delivery_key(subscription_id: str, delivery_id: str) -> str:
    """Return what makes a delivery one: the subscription and what it reports."""
    return f"{subscription_id}:{delivery_id}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a delivery after an attempt, or without one.

    Attributes:
        delivery: The delivery, with the attempt counted.
        status: Its new status.
        failure: Why it did not reach its receiver.
        next_at: When a pending one is tried again.
    """

    delivery: Delivery
    status: DeliveryStatus
    failure: str | None = None
    next_at: datetime | None = None


class Trouble(msgspec.Struct, kw_only=True):
    """What the owner of a subscription is told of callbacks that do not arrive.

    Attributes:
        failure: The last one.
        given_up: Callbacks that were given up since the last report.
        gone: Whether the receiver has said twice in a row that it is gone, which ends the subscription.
    """

    failure: str
    given_up: int = 0
    gone: bool = False


class DispatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How deliveries are posted.

    Attributes:
        queue: Most deliveries to one receiver that are held in memory.
        concurrency: Most posts to one receiver at the same time.
        app_concurrency: Most posts for one app at the same time.
        breaker: Failures in a row after which a receiver is called by one post at a time.
        post_within: Seconds after a claim within which a post must begin, so that it ends before the lease does.
        scan: Seconds between looks for deliveries that are due again.
        retry_first: Seconds from the first failure to the next attempt.
        retry_max: Most seconds between two attempts.
        give_up: Seconds after the event when attempts end.
    """

    queue: int
    concurrency: int
    app_concurrency: int
    breaker: int
    post_within: float
    scan: float
    retry_first: float
    retry_max: float
    give_up: float

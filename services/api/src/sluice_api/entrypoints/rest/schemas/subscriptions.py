"""Subscriptions to callbacks (R086, R151)."""

from datetime import datetime

from pydantic import Field

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import Body, Created, Page, Query, example
from sluice_api.entrypoints.rest.schemas.enums import CallbackEvent


class SubscriptionIn(Body):
    """A new subscription."""

    model_config = example(
        event="execution_result",
        callback_url="https://app.example/sluice",
        secret="correct horse",  # noqa: S106 - an example
    )

    event: CallbackEvent
    callback_url: str = Field(max_length=2048, description="http or https, without credentials.")
    secret: str | None = Field(None, min_length=1, max_length=256, description="Key of `Sluice-Signature`.")


class Subscription(Created):
    """A subscription; its secret is never shown."""

    model_config = example(
        subscription_id="6745c1f0a1b2c3d4e5f6071d",
        event="execution_result",
        callback_url="https://app.example/sluice",
        signed=True,
        given_up=3,
        last_failure="status 503",
        last_failure_at="2026-11-24T07:30:00Z",
        ended_at=None,
        created_at="2026-11-22T12:00:00Z",
    )

    subscription_id: str
    event: str
    callback_url: str
    signed: bool = Field(description="Whether callbacks carry `Sluice-Signature`.")
    given_up: int = Field(description="Callbacks that were given up.")
    last_failure: str | None = Field(description="Why the last callback failed that did.")
    last_failure_at: datetime | None
    ended_at: datetime | None = Field(
        description="When the receiver had answered 410 twice in a row; nothing is posted since."
    )


class SubscriptionPage(Page):
    """Subscriptions."""

    items: list[Subscription]


class SubscriptionQuery(Query):
    """Filters of the list of subscriptions."""

    event: CallbackEvent | None = None

    def wanted(self) -> models.SubscriptionFilter:
        """Return the filters."""
        return models.SubscriptionFilter(event=self.event)

"""Subscriptions to callbacks (R086, R151)."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from sluice_api.domain import models
from sluice_api.domain.callbacks.signatures import check_secret
from sluice_api.entrypoints.rest.schemas.base import Body, Created, Page, Query, example
from sluice_api.entrypoints.rest.schemas.enums import CallbackEvent


def _secret(secret: str) -> str:
    check_secret(secret)
    return secret


CallbackSecret = Annotated[str, Field(max_length=256), AfterValidator(_secret)]
_SIGNS = (
    "Signs callbacks (Standard Webhooks): `whsec_` and base64 of at least 24 bytes, or any other text of as many bytes "
    "in UTF-8."
)


class SubscriptionIn(Body):
    """A new subscription."""

    model_config = example(
        event="execution_result",
        callback_url="https://app.example/sluice",
        secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",  # noqa: S106 - an example
    )

    event: CallbackEvent
    callback_url: str = Field(max_length=2048, description="http or https, without credentials.")
    secret: CallbackSecret | None = Field(None, description=_SIGNS)


class SubscriptionSecretIn(Body):
    """Another secret of a subscription."""

    model_config = example(
        secret="whsec_6qo3Qz3mJWkXh0fQJq1oGqW2b0mG0a1v",  # noqa: S106 - an example
        previous_valid_for=86_400,
    )

    secret: CallbackSecret = Field(description=_SIGNS)
    previous_valid_for: float = Field(
        86_400, ge=0, le=30 * 86_400, description="Seconds for which the secret before signs callbacks, too."
    )


class Subscription(Created):
    """A subscription; its secret is never shown."""

    model_config = example(
        subscription_id="6745c1f0a1b2c3d4e5f6071d",
        event="execution_result",
        callback_url="https://app.example/sluice",
        signed=True,
        previous_until=None,
        given_up=3,
        last_failure="status 503",
        last_failure_at="2026-11-24T07:30:00Z",
        ended_at=None,
        created_at="2026-11-22T12:00:00Z",
    )

    subscription_id: str
    event: str
    callback_url: str
    signed: bool = Field(description="Whether callbacks are signed.")
    previous_until: datetime | None = Field(description="Until when the secret before signs them, too.")
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

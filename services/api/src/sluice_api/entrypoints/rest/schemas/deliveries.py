"""Callbacks of a subscription, as app servers look after them."""

import json
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import Created, Item, Page, Query, example
from sluice_api.entrypoints.rest.schemas.enums import DeliveryStatus

_EXAMPLE = {
    "delivery_id": "6745c1f0a1b2c3d4e5f6071a:6745c1f0a1b2c3d4e5f60718:SUCCEEDED",
    "status": "GIVEN_UP",
    "attempts": 9,
    "failure": "status 503",
    "next_at": None,
    "ended_at": "2026-11-24T07:30:00Z",
    "created_at": "2026-11-23T07:30:00Z",
}


class Delivery(Created):
    """A callback, and what became of it."""

    model_config = example(**_EXAMPLE)

    delivery_id: str = Field(description="`webhook-id`: what it reports.")
    status: DeliveryStatus
    attempts: int = Field(description="Posts that have failed.")
    failure: str | None = Field(description="Why the last one did.")
    next_at: datetime | None = Field(description="When a pending one is posted next.")
    ended_at: datetime | None = Field(description="When it was delivered or given up.")

    @classmethod
    def of(cls, record: models.Record) -> Self:
        """Return what users see of a delivery."""
        assert isinstance(record, models.CallbackDelivery)  # noqa: S101 - the only record that it is made of
        return cls(**_fields(record))


class DeliveryWithBody(Delivery):
    """A callback with what it says."""

    model_config = example(**_EXAMPLE, body={"event": "execution_result", "status": "SUCCEEDED"})

    body: dict[str, Any] = Field(description="What is posted.")

    @classmethod
    def of(cls, record: models.Record) -> Self:
        """Return what users see of a delivery."""
        assert isinstance(record, models.CallbackDelivery)  # noqa: S101 - the only record that it is made of
        return cls(**_fields(record), body=json.loads(record.body))


class DeliveryPage(Page):
    """Callbacks."""

    items: list[Delivery]


class DeliveryQuery(Query):
    """Filters of the list of a subscription's callbacks."""

    status: DeliveryStatus | None = None


class Redelivery(Item):
    """How many callbacks are posted again."""

    model_config = example(count=17)

    count: int


def _fields(record: models.CallbackDelivery) -> dict[str, Any]:
    is_pending = record.status is models.DeliveryStatus.PENDING
    return {
        "delivery_id": record.delivery_id,
        "status": record.status,
        "attempts": record.attempts,
        "failure": record.failure,
        "next_at": record.next_at if is_pending else None,
        "ended_at": None if is_pending else record.ended_at,
        "created_at": record.created_at,
    }

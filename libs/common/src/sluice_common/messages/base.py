"""What all messages on Kafka have in common.

A message is a frozen struct with a type tag, written as JSON. It leaves out topics and keys: the topic
registry (`sluice_common.topics`) and the bus (`sluice_common.bus`) know those.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec


def _type_tag(class_name: str) -> str:
    """Return the wire tag of a message class: `SlotAsk` becomes `slot_ask`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in class_name).lstrip("_")


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag=_type_tag,
):
    """Base of all messages.

    Attributes:
        app_id: The tenant that the message belongs to.
        occurred_at: When it happened, UTC. Rules take their time from here only.
        schema_version: Version of the message's shape; readers dead-letter what is newer.
        traceparent: W3C Trace Context header of the request that caused it.
    """

    app_id: str
    occurred_at: datetime
    schema_version: int = 1
    traceparent: str | None = None

    @property
    def at(self) -> float:
        """`occurred_at` in seconds since 1970."""
        return self.occurred_at.timestamp()


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the plain values inside messages."""


def utc(seconds: float) -> datetime:
    """Return seconds since 1970 as an aware UTC time."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """Return the current UTC time; for shells only, never for rules."""
    return datetime.now(UTC)


def to_json(message: Any) -> bytes:
    """Return a message (or a value) as JSON bytes."""
    return _ENCODER.encode(message)


_ENCODER = msgspec.json.Encoder()

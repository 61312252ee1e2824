"""`dead-letters`: what could not be handled, kept as it came."""

from datetime import datetime
from typing import Any, Self

import msgspec

from sluice_common.messages.base import now

MAX_VALUE_BYTES = 1_200_000
"""Bytes of a value that a dead letter keeps: base64 adds a third, and a record may have 2 MiB. No topic of ours takes
larger ones."""

_REASON_CLASSES = (
    ("newer_schema", ("is newer than",)),
    ("too_large", ("bytes", "larger")),
    ("foreign_key", ("the key is not", "belongs to another partition")),
    ("not_understood", ("empty value", "JSON", "Object", "Expected", "Invalid", "Input", "utf-8", "recursion")),
    ("failed", ("Error", "Exception")),
)
"""By parts of the reason: the first that fits. A reason may quote what a device has sent, a metric must not."""


def reason_class(reason: str) -> str:
    """Return what kind of reason it is, of a handful."""
    fits = (name for name, parts in _REASON_CLASSES if any(part in reason for part in parts))
    return next(fits, "other")


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that no consumer could handle.

    Attributes:
        source_topic: Where it stood.
        partition: Its partition.
        offset: Its offset; -1 for a message that was never in Kafka.
        reason: Why it could not be handled.
        key: Its key, base64 in JSON.
        value: Its value, base64 in JSON; of one that is too large for a dead letter the beginning.
        occurred_at: When it was put here, UTC.
    """

    source_topic: str
    partition: int
    offset: int
    reason: str
    key: bytes | None
    value: bytes | None
    occurred_at: datetime

    @classmethod
    def of(cls, record: Any, reason: str, max_value_bytes: int = MAX_VALUE_BYTES) -> Self:
        """Return the dead letter of a record, or of anything with topic, partition, offset, key and value.

        Args:
            record: A record of aiokafka, or a `Received`.
            reason: Why it cannot be handled.
            max_value_bytes: Bytes of the value that are kept; the reason says if there were more.
        """
        value = record.value
        if value is not None and len(value) > max_value_bytes:
            reason = f"{reason} (the first {max_value_bytes} of {len(value)} bytes)"
            value = value[:max_value_bytes]
        return cls(
            source_topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
            key=record.key,
            value=value,
            occurred_at=now(),
        )

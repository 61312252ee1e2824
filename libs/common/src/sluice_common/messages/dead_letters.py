"""`dead-letters`: what could not be understood, kept whole."""

from datetime import datetime

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that no consumer understood.

    Attributes:
        source_topic: Where it stood.
        partition: Its partition.
        offset: Its offset.
        reason: Why it was not understood.
        key: Its key, base64 in JSON.
        value: Its value, base64 in JSON.
        occurred_at: When it was set aside, UTC.
    """

    source_topic: str
    partition: int
    offset: int
    reason: str
    key: bytes | None
    value: bytes | None
    occurred_at: datetime

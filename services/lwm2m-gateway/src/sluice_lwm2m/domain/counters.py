"""What the gateway counts: plain numbers, logged now and then."""

from collections import Counter
from enum import StrEnum


class Counted(StrEnum):
    """What is counted."""

    BLOCKS = "blocks"
    BLOCKS_REFUSED = "blocks_refused"
    REGISTERED = "registered"
    UPDATED = "updated"
    DEREGISTERED = "deregistered"
    EXPIRED = "expired"
    REFUSED = "refused"
    LIMITED = "limited"
    NOTIFIED = "notified"
    UNOBSERVED = "unobserved"
    COMMANDS = "commands"
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    DUPLICATES = "duplicates"
    UNEXPECTED = "unexpected"
    OVERLOADED = "overloaded"
    FAILED = "failed"
    UNSENT = "unsent"


Counters = Counter[Counted]


def log_fields(counters: Counters) -> dict[str, int]:
    """Return the counters as keywords of a log event."""
    return {counted.value: number for counted, number in counters.items()}

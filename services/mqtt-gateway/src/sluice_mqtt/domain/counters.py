"""What the gateway counts; the numbers are logged once an interval (`mqtt_counters_interval`)."""

from collections import Counter
from enum import StrEnum


class Counted(StrEnum):
    """What is counted."""

    LOGINS = "logins"
    LOGINS_DENIED = "logins_denied"
    TOPICS_DENIED = "topics_denied"
    LOGINS_UNANSWERED = "logins_unanswered"
    LOGINS_LIMITED = "logins_limited"
    MESSAGES_LIMITED = "messages_limited"
    PACKETS_OVERSIZED = "packets_oversized"
    UNKNOWN_CONNECTED = "unknown_connected"
    HOOKS_REFUSED = "hooks_refused"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    MESSAGES = "messages"
    REPORTS = "reports"
    OVERSIZED = "oversized"
    NOT_JSON = "not_json"
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    PASSED_OVER = "passed_over"
    SUPERSEDED = "superseded"
    UNKNOWN_DEVICES = "unknown_devices"
    DEAD_LETTERED = "dead_lettered"
    DROPPED = "dropped"
    QUERIES = "queries"
    OFFERS = "offers"
    EXPIRED = "expired"
    OUTDATED = "outdated"
    UNPUBLISHED = "unpublished"
    DOWNLOADS = "downloads"
    DOWNLOADS_REFUSED = "downloads_refused"
    DOWNLOADS_BROKEN = "downloads_broken"
    DOWNLOADS_FENCED = "downloads_fenced"
    BYTES_SERVED = "bytes_served"

    __hash__ = str.__hash__
    """That of an enum is written in Python, and each message is counted six times."""


Counters = Counter[Counted]


def log_fields(counters: Counters) -> dict[str, int]:
    """Return the counters as keywords of a log event."""
    return {counted.value: number for counted, number in counters.items()}

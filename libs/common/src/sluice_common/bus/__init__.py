"""Kafka for all services but the scheduler's stages: a producer, and consumers that lose nothing.

Everything is at least once: a consumer commits after its handler has returned, so handlers are idempotent.
What cannot be decoded goes to `dead-letters` and never stops a consumer.
"""

from sluice_common.bus.producer import (
    FETCH_WAIT_MS,
    SEND_TIMEOUT,
    Consumer,
    Handler,
    Producer,
    Received,
    acknowledged,
    create_topics,
)

__all__ = [
    "FETCH_WAIT_MS",
    "SEND_TIMEOUT",
    "Consumer",
    "Handler",
    "Producer",
    "Received",
    "acknowledged",
    "create_topics",
]

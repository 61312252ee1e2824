"""Kafka for all services: a producer, and consumers that lose nothing.

Everything is at least once: a consumer commits after its handler has returned, so handlers are idempotent.
What cannot be decoded goes to `dead-letters` and never stops a consumer.
"""

from sluice_common.bus.admin import AdminClient, create_topics
from sluice_common.bus.consumer import BUSY_FETCH_WAIT_MS, FETCH_WAIT_MS, Consumer, fetch, hold_fetches
from sluice_common.bus.handling import BatchHandler, Handler, Received
from sluice_common.bus.lag import Position, Positions, lag_watched
from sluice_common.bus.lost_connections import expect_lost_connections
from sluice_common.bus.producer import Producer, acknowledged

__all__ = [
    "BUSY_FETCH_WAIT_MS",
    "FETCH_WAIT_MS",
    "AdminClient",
    "BatchHandler",
    "Consumer",
    "Handler",
    "Position",
    "Positions",
    "Producer",
    "Received",
    "acknowledged",
    "create_topics",
    "fetch",
    "hold_fetches",
    "lag_watched",
]

expect_lost_connections()

"""What a gateway does beside its messages: ends when it is stuck, forgets what is over, logs its counters."""

import asyncio
import time
from collections.abc import Callable

import structlog

from sluice_mqtt.application.pending_operations import PendingOperations
from sluice_mqtt.domain.counters import Counters, log_fields
from sluice_mqtt.domain.permissions import DownloadPermissions

_log = structlog.get_logger()
_WATCH_INTERVAL = 5.0
_PRUNE_INTERVAL = 60.0


class StalledError(RuntimeError):
    """Kafka or MongoDB did not answer for too long: the process ends, and the broker sends its messages again."""


async def end_when_stalled(pending: PendingOperations, limit: float) -> None:
    """Watch what is pending for Kafka and MongoDB, until cancelled.

    Args:
        pending: What is watched.
        limit: Seconds that an operation may take.

    Raises:
        StalledError: One has taken longer.
    """
    while True:
        await asyncio.sleep(_WATCH_INTERVAL)
        if (waited := pending.oldest()) > limit:
            raise StalledError(f"a message has waited for Kafka or MongoDB for {waited:.0f} s")


async def prune(permissions: DownloadPermissions) -> None:
    """Forget permissions for which no token is good any more, once a minute, until cancelled."""
    while True:
        await asyncio.sleep(_PRUNE_INTERVAL)
        permissions.prune(time.time())


async def log_counters(counters: Counters, interval: float, gauges: Callable[[], dict[str, int]]) -> None:
    """Log counters and gauges, until cancelled.

    Args:
        counters: What is counted.
        interval: Seconds between two logs.
        gauges: Returns what is true at the moment, by name.
    """
    while True:
        await asyncio.sleep(interval)
        _log.info("gateway_counters", **gauges(), **log_fields(counters))

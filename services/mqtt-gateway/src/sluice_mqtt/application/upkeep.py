"""What a gateway does beside its messages: forgets what is over, logs its counters."""

import asyncio
import time
from collections.abc import Callable

import structlog

from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.domain.counters import Counters, log_fields

_log = structlog.get_logger()
_PRUNE_INTERVAL = 60.0


async def prune(open_downloads: OpenDownloads) -> None:
    """Forget permissions for which no token is good any more, once a minute, until cancelled."""
    while True:
        await asyncio.sleep(_PRUNE_INTERVAL)
        open_downloads.prune(time.time())


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

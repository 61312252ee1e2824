"""The relay: of several replicas, the one with the lease looks again and again for what there is to do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from sluice_api.application.relay.ports import Lease

_log = structlog.get_logger()
_FAILED_PAUSE = 1.0
"""Seconds to wait when Kafka or MongoDB fails."""
Look = Callable[[], Awaitable[bool]]


class Relay:
    """One replica of the relay.

    Args:
        lease: The right to work.
        looks: Each does what is due and returns whether there was anything. They do not wait for one another: messages
            are published while a large task is expanded.
        interval: Seconds from a look that found nothing to the next.
        trouble: Errors of Kafka and MongoDB, after which a look is repeated; any other ends the relay.
    """

    def __init__(
        self, lease: Lease, looks: Sequence[Look], *, interval: float, trouble: tuple[type[Exception], ...]
    ) -> None:
        self._lease = lease
        self._looks = looks
        self._interval = interval
        self._trouble = trouble

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ExceptionGroup: With an error that is no trouble.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for look in self._looks:
                    group.create_task(self._repeat(look))
        finally:
            await self._lease.release()

    async def _repeat(self, look: Look) -> None:
        while True:
            try:
                if await self._lease.hold() and await look():
                    continue
            except self._trouble as error:
                _log.warning("relay_failed", error=type(error).__name__, detail=str(error)[:300])
                await asyncio.sleep(_FAILED_PAUSE)
            await asyncio.sleep(self._interval)

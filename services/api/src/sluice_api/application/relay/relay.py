"""The relay: of several replicas, the one with the lease looks again and again for what there is to do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

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
        interval: Seconds from a look that found nothing to the next, unless a hint comes.
        trouble: Errors of Kafka and MongoDB, after which a look is repeated; any other ends the relay.
    """

    def __init__(
        self, lease: Lease, looks: Sequence[Look], *, interval: float, trouble: tuple[type[Exception], ...]
    ) -> None:
        self._lease = lease
        self._looks = looks
        self._interval = interval
        self._trouble = trouble
        self._hints = [asyncio.Event() for _ in looks]

    def look_now(self) -> None:
        """Take a hint that there is something to do: whoever has the lease looks at once."""
        for hint in self._hints:
            hint.set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ExceptionGroup: With an error that is no trouble.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for look, hint in zip(self._looks, self._hints, strict=True):
                    group.create_task(self._repeat(look, hint))
        finally:
            await self._lease.release()

    async def _repeat(self, look: Look, hint: asyncio.Event) -> None:
        while True:
            hint.clear()  # before the look: what comes during it is looked for again
            is_held = False
            try:
                is_held = await self._lease.hold()
                if is_held and await look():
                    continue
            except self._trouble as error:
                _log.warning("relay_failed", error=type(error).__name__, detail=str(error)[:300])
                await asyncio.sleep(_FAILED_PAUSE)
            await self._pause(hint if is_held else None)

    async def _pause(self, hint: asyncio.Event | None) -> None:
        """Wait for the interval or for a hint; whoever stands by asks for the lease no sooner for that."""
        if hint is None:
            await asyncio.sleep(self._interval)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await hint.wait()

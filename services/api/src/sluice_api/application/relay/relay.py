"""The relay: of several replicas, the one with the lease looks again and again for what there is to do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from sluice_api.application.relay.ports import Lease
from sluice_common.supervision import Backoff, supervised

_log = structlog.get_logger()
_BACKOFF = Backoff(first=0.5, longest=5.0)
_RELEASE_SECONDS = 2.0
"""Seconds that giving the lease back may take at the end; it runs out by itself."""
Look = Callable[[], Awaitable[bool]]


class Relay:
    """One replica of the relay.

    Args:
        lease: The right to work.
        looks: Each does what is due and returns whether there was anything. They do not wait for one another: messages
            are published while a large task is expanded. One that fails is repeated after a back-off.
        interval: Seconds from a look that found nothing to the next, unless a hint comes.
    """

    def __init__(self, lease: Lease, looks: Sequence[Look], *, interval: float) -> None:
        self._lease = lease
        self._looks = looks
        self._interval = interval
        self._hints = [asyncio.Event() for _ in looks]

    def look_now(self) -> None:
        """Take a hint that there is something to do: whoever has the lease looks at once."""
        for hint in self._hints:
            hint.set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ExceptionGroup: With a `FatalError`.
        """
        try:
            async with supervised() as work:
                for look, hint in zip(self._looks, self._hints, strict=True):
                    work.repeat("relay_look_failed", partial(self._look, look, hint), backoff=_BACKOFF)
        finally:
            await self._release()

    async def _look(self, look: Look, hint: asyncio.Event) -> None:
        """Look once; wait if there was nothing to do."""
        hint.clear()  # before the look: what comes during it is looked for again
        is_held = await self._lease.hold()
        if not (is_held and await look()):
            await self._pause(hint if is_held else None)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._lease.release()
        except Exception as error:  # noqa: BLE001 - the lease runs out, and a process that ends must not wait for it
            _log.warning("lease_not_released", reason=repr(error))

    async def _pause(self, hint: asyncio.Event | None) -> None:
        """Wait for the interval or for a hint; whoever stands by asks for the lease no sooner for that."""
        if hint is None:
            await asyncio.sleep(self._interval)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await hint.wait()

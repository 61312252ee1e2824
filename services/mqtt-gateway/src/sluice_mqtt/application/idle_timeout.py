"""A deadline for devices that take nothing of what waits for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol


class Outgoing(Protocol):
    """What is on its way to a device."""

    sent: int
    """Bytes handed over so far."""

    def unacknowledged(self) -> int:
        """Return the bytes that the device has not acknowledged."""


@asynccontextmanager
async def idle_timeout(outgoing: Outgoing, seconds: float, on_progress: Callable[[], None]) -> AsyncIterator[None]:
    """End the block when the device takes nothing that waits for it, after `seconds` at least and twice that at most.

    Args:
        outgoing: What is on its way.
        seconds: Time between two looks at it.
        on_progress: Called when a look finds that the device has taken something.

    Raises:
        TimeoutError: It took nothing.
    """
    loop = asyncio.get_running_loop()
    before = 0, 0
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal before, timer
        now = outgoing.sent, outgoing.unacknowledged()
        if now != before:
            on_progress()
        elif now[1]:
            limit.reschedule(loop.time())
            return
        before, timer = now, loop.call_later(seconds, look)

    timer = loop.call_later(seconds, look)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    finally:
        timer.cancel()

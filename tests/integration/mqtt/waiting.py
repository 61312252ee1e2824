"""Waiting for what other processes do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

DEADLINE = 60.0
T = TypeVar("T")


async def until(get: Callable[[], Awaitable[T | None]], deadline: float = DEADLINE) -> T:
    """Return what `get` returns once that is not None.

    Args:
        get: Called again and again.
        deadline: Seconds.

    Raises:
        TimeoutError: It is still None after them.
    """
    end = time.monotonic() + deadline
    while (found := await get()) is None:
        if time.monotonic() > end:
            raise TimeoutError("did not happen in time")
        await asyncio.sleep(0.05)
    return found

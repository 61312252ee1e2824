"""Ends go before details, as both are written to one database and people wait for the former."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_MAX_WAIT: Final = 2.0
"""Seconds that details wait at once; they must get on too."""


class Precedence:
    """Who is first."""

    def __init__(self) -> None:
        self._is_free = asyncio.Event()
        self._is_free.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go first."""
        self._is_free.clear()
        try:
            yield
        finally:
            self._is_free.set()

    async def second(self) -> None:
        """Return when nobody goes first, or has for too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_MAX_WAIT):
                await self._is_free.wait()

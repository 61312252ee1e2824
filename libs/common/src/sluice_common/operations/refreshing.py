"""What is asked elsewhere before each scrape: where Kafka's partitions end, for the lag."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from sluice_common.supervision import note_failure

_DEADLINE = 2.0
"""Seconds; what is not known by then keeps its last figure."""
_REFRESHES: list[Callable[[], Awaitable[None]]] = []


@contextmanager
def refreshed(ask: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Have something asked before each scrape during the block."""
    _REFRESHES.append(ask)
    try:
        yield
    finally:
        _REFRESHES.remove(ask)


async def refresh() -> None:
    """Ask all, at the same time."""
    await asyncio.gather(*[_ask(ask) for ask in list(_REFRESHES)])


async def _ask(ask: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(_DEADLINE):
            await ask()
    except Exception as error:  # noqa: BLE001 - old figures are better than none
        note_failure("metric_not_refreshed", error)

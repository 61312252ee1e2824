"""The stage `devices` on a Faust that drops an event which it has fetched, as it was seen to do while workers joined.

Run as a program; it drops the tenth event of each partition.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from faust.transport.consumer import Consumer
from faust.types import TP

from sluice_common.topics import DEVICE_EVENTS
from sluice_scheduler.entrypoints.devices import main

_DROPPED = 10

_getmany = Consumer.getmany
_seen: Counter[TP] = Counter()


async def _forget(self: Any, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's
    async for tp, message in _getmany(self, timeout):
        _seen[tp] += tp.topic == DEVICE_EVENTS.name
        if _seen[tp] != _DROPPED:
            yield tp, message


if __name__ == "__main__":
    Consumer.getmany = _forget  # type: ignore[method-assign]
    main()

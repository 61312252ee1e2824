"""Tells when the stage `devices` stands still though events wait: its process had better end and be started anew.

Faust has ways to stand still that raise nothing: agents that stop consuming after the broker was lost (#523),
partitions that never commit again (#596). One that is told to end may stand still too: `end_within` bounds that.
"""

import asyncio
import os
import threading
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from sluice_common.topics import DEVICE_EVENTS

_ANSWER = 10.0
"""Seconds that Kafka has to tell where its partitions end."""


def end_within(seconds: float) -> None:
    """End this process with 1 after so many seconds, whatever it does by then.

    For the time after a failure: what is not committed is read again, so that nothing is lost by not tidying up.
    """
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


class StallDetector:
    """Compares figures from look to look.

    Args:
        limit: Seconds that a figure may stay the same.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: dict[str, tuple[int, float]] = {}

    def look(self, now: float, waiting: Mapping[str, int]) -> list[str]:
        """Return the figures that have stood still for too long, of those that should move on.

        Args:
            now: Seconds of a clock that never jumps.
            waiting: Where each figure stands behind which something waits; the others need not be named.
        """
        self._since = {
            name: known if (known := self._since.get(name)) and known[0] == figure else (figure, now)
            for name, figure in waiting.items()
        }
        return [name for name, (_, since) in self._since.items() if now - since > self._limit]


async def waiting_events(app: Any) -> dict[str, int]:
    """Return the position in each owned partition that has more to read, and its commit if it has more to commit.

    Nothing waits during a rebalance, and nothing is known while Kafka does not answer.
    """
    if app.rebalancing:
        return {}
    consumer = app.consumer
    owned = [tp for tp in consumer.assignment() if tp.topic == DEVICE_EVENTS.name]
    figures = {f"commit of {tp.partition}": _committed(consumer, tp) for tp in owned if consumer._acked.get(tp)}  # noqa: SLF001 - Faust does not tell
    try:
        async with asyncio.timeout(_ANSWER):
            ends = await consumer.highwaters(*owned) if owned else {}
            positions = {tp: await consumer.position(tp) for tp in owned}
    except (KafkaError, TimeoutError):
        return figures
    behind = {f"position of {tp.partition}": at for tp, at in positions.items() if at is not None and at < ends[tp]}
    return figures | behind


def _committed(consumer: Any, tp: TP) -> int:
    offset: int | None = consumer._committed_offset.get(tp)  # noqa: SLF001 - as above
    return -1 if offset is None else offset

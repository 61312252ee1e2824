"""How far a worker has come, by Faust's and Kafka's word.

Faust has ways to stand still that raise nothing: agents that stop consuming after the broker was lost (#523),
partitions that never commit again (#596).
"""

import asyncio
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from sluice_common.bus import Position, Positions
from sluice_common.topics import DEVICE_EVENTS

_ANSWER = 10.0
"""Seconds that Kafka has to tell where its partitions end."""


class FaustRebalance:
    """How far a rebalance has come: Faust's recovery may end without a word, and the worker then waits for ever.

    Args:
        app: The Faust app.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def waiting(self) -> dict[str, int]:
        """Return up to where the rebalance that is under way has recovered the changelog: the sum of its offsets."""
        if not self._app.is_rebalancing:
            return {}
        recovered = self._app.tables.recovery.active_offsets.values()
        return {f"rebalance {self._app.rebalancing_count}": sum(offset or 0 for offset in recovered)}


class FaustProgress:
    """Positions and commits in the owned partitions of `device-events`.

    Args:
        app: The Faust app.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def positions(self) -> Positions:
        """Return where each owned partition stands: what is committed, and its end.

        Raises:
            KafkaError: Kafka does not answer.
        """
        owned, consumer = self._owned(), self._app.consumer
        ends = await consumer.highwaters(*owned) if owned else {}
        return {(tp.topic, tp.partition): Position(max(0, _committed(consumer, tp)), ends[tp]) for tp in owned}

    def _owned(self) -> list[TP]:
        return [tp for tp in self._app.consumer.assignment() if tp.topic == DEVICE_EVENTS.name]

    async def waiting(self) -> dict[str, int]:
        """Return the position in each owned partition that has more to read, and its commit if it has more to commit.

        A position stands still too while what was fetched is worked on, for minutes if a large fetch meets a busy
        machine. So what is committed in all partitions is added to it: only a worker that does nothing stands still.

        Nothing waits during a rebalance, and nothing is known while Kafka does not answer.
        """
        if self._app.is_rebalancing:
            return {}
        consumer = self._app.consumer
        owned = self._owned()
        acked = consumer._acked  # noqa: SLF001 - Faust does not tell
        figures = {f"commit of {tp.partition}": _committed(consumer, tp) for tp in owned if acked.get(tp)}
        try:
            async with asyncio.timeout(_ANSWER):
                ends = await consumer.highwaters(*owned) if owned else {}
                positions = {tp: await consumer.position(tp) for tp in owned}
        except (KafkaError, TimeoutError):
            return figures
        done = sum(_committed(consumer, tp) for tp in owned)
        behind = [(tp, at) for tp, at in positions.items() if at is not None and at < ends[tp]]
        return figures | {f"position of {tp.partition}": at + done for tp, at in behind}


def _committed(consumer: Any, tp: TP) -> int:
    offset: int | None = consumer._committed_offset.get(tp)  # noqa: SLF001 - as above
    return -1 if offset is None else offset

"""A Faust transport that reads committed records only, skips none at a rebalance, and commits all that is done.

Grants are written in transactions (`cells_shard`), and those of a fenced process are aborted: heard all the same, they
would be slots beyond the limit. Faust reads uncommitted records unless it runs `exactly_once`, and has no setting.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

_NOTHING_TO_FETCH = 0.05
"""Seconds until it is asked again whether there is something to fetch."""
_LONGEST_FETCH = 0.2
"""Seconds that a fetch waits for records; the end of a rebalance waits for it."""
_LONGEST_SEEK = 60.0
"""Seconds that Kafka has to tell what has been committed."""


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - the only way
        return consumer


class _Consumer(driver.Consumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._moving = asyncio.Lock()

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:  # noqa: ASYNC109 - Faust's
        """Fetch; from changelogs only until a rebalance is over.

        When it ends, Faust seeks the committed offsets and then clears its queues: an event that was fetched before or
        between the two was skipped for good, and its partition never committed again (#596). A fetch that waits while a
        rebalance begins is given what the new assignment brings: no event either, as the seek is yet to come.
        """
        app: Any = self.app
        async with self._moving:
            wanted = self._allowed(active_partitions or ())
            records = await super()._getmany(wanted, min(timeout, _LONGEST_FETCH)) if wanted else {}
            allowed = self._allowed(records)
        for tp in allowed:
            if not self._is_changelog_tp(tp):
                app.event_order.fetched(tp, (record.offset for record in records[tp]))
        if not wanted:
            await self.sleep(_NOTHING_TO_FETCH)
        return {tp: records[tp] for tp in allowed}

    def _allowed(self, partitions: Iterable[TP]) -> set[TP]:
        app: Any = self.app
        return {tp for tp in partitions if not app.is_rebalancing or self._is_changelog_tp(tp)}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek the committed offsets of all partitions, and the begin of those of which nothing has been committed.

        aiokafka leaves the latter where they are: behind what was fetched and dropped. Faust takes a seek that lasts
        longer than a request may for the end of the process, and then never recovers again.

        Raises:
            TimeoutError: It takes too long; the process is to begin again.
        """
        app: Any = self.app
        async with asyncio.timeout(_LONGEST_SEEK), self._moving:
            committed = await super().seek_to_committed()
            for tp, offset in committed.items():
                if not offset and not self._is_changelog_tp(tp):
                    await self.seek(tp, 0)  # where that is gone, "earliest" is what there is
        app.event_order.sought({tp: offset or 0 for tp, offset in committed.items()})
        return committed

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Note the offsets before a message that hold none, as the ends of transactions do.

        Faust counts the message itself among them, and once more when it is acknowledged. Its search for what can be
        committed ends at such a pair: a partition advanced by one transaction a second, and however many grants it had
        had since were heard again after a restart (robinhood/faust#625). It also merges all gaps with each new one.
        """
        self._gap[tp].chop(offset_from, offset_to)  # what is noted twice would be such a pair, too
        self._gap[tp].addi(offset_from, offset_to)


class CommittedTransport(driver.Transport):
    """Kafka by aiokafka, isolation level `read_committed`."""

    Consumer = _Consumer

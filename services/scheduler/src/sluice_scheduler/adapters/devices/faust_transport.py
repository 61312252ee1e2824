"""A Faust transport that reads committed records only, skips none at a rebalance, and commits all that is done.

Grants are written in transactions (`cells_shard`), and those of a fenced process are aborted: heard all the same, they
would be slots beyond the limit. Faust reads uncommitted records unless it runs `exactly_once`, and has no setting.
"""

from collections.abc import Mapping
from typing import Any

from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

_NOTHING_TO_FETCH = 0.05


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - the only way
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:  # noqa: ASYNC109 - Faust's
        """Fetch; from changelogs only until a rebalance is over.

        When it ends, Faust seeks the committed offsets and then clears its queues: what it had fetched between the two
        was skipped for good, and its partition never committed again (#596).
        """
        wanted = active_partitions or set()
        app: Any = self.app
        if app.is_rebalancing:
            wanted = {tp for tp in wanted if self._is_changelog_tp(tp)}
        if not wanted:
            await self.sleep(_NOTHING_TO_FETCH)
            return {}
        records = await super()._getmany(wanted, timeout)
        for tp, fetched in records.items():
            app.event_order.fetched(tp, (record.offset for record in fetched))
        return records

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek the committed offsets of all partitions, and the begin of those of which nothing has been committed.

        aiokafka leaves the latter where they are: behind what was fetched and dropped.
        """
        committed = await super().seek_to_committed()
        if new := [tp for tp, offset in committed.items() if not offset and not self._is_changelog_tp(tp)]:
            await self._thread.seek_to_beginning(*new)
        app: Any = self.app
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

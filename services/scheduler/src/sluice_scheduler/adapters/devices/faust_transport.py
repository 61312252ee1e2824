"""A Faust transport that reads committed records only, and skips none at a rebalance.

Grants are written in transactions (`cells_shard`), and those of a fenced process are aborted: heard all the same, they
would be slots beyond the limit. Faust reads uncommitted records unless it runs `exactly_once`, and has no setting.
"""

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
        if self.app.rebalancing:
            wanted = {tp for tp in wanted if self._is_changelog_tp(tp)}
        if wanted:
            return await super()._getmany(wanted, timeout)
        await self.sleep(_NOTHING_TO_FETCH)
        return {}


class CommittedTransport(driver.Transport):
    """Kafka by aiokafka, isolation level `read_committed`."""

    Consumer = _Consumer

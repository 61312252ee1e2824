"""A Faust transport that reads committed records only, skips none at a rebalance, and commits all that is done.

Grants are written in transactions (`cells_shard`), and those of a fenced process are aborted: heard all the same, they
would be slots beyond the limit. Faust reads uncommitted records unless it runs `exactly_once`, and has no setting.
"""

from typing import Any

from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

_NOTHING_TO_FETCH = 0.05


class Rebalances:
    """Which rebalance is over, of those that have begun.

    Faust says only whether one is under way, and says that none is when the end of one meets the begin of the next: a
    second worker that joins while the first one takes over. What was fetched then was skipped for good, one event of
    hundreds, between two that were not.
    """

    def __init__(self) -> None:
        self._assigned = 0
        self._recovered = 0
        self._settled = 0

    def assigned(self, begun: int) -> None:
        """Note that the newest rebalance, of so many that have begun, has assigned partitions."""
        self._assigned = begun

    def recovered(self) -> None:
        """Note that the records of the partitions that were assigned last have been recovered."""
        self._recovered = self._assigned

    def ended(self) -> None:
        """Note that Faust has sought the committed offsets and emptied its queues, for those partitions."""
        self._settled = self._recovered

    def are_over(self, begun: int) -> bool:
        """Return whether the newest of so many that have begun is over."""
        return self._settled == begun


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
        if wanted:
            return await super()._getmany(wanted, timeout)
        await self.sleep(_NOTHING_TO_FETCH)
        return {}

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

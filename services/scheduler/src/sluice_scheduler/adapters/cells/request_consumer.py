"""The requests of the partitions that the consumer group gives this process."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from sluice_common.bus import BUSY_FETCH_WAIT_MS, fetch, hold_fetches
from sluice_common.topics import CELL_REQUESTS
from sluice_scheduler.adapters.cells.assignor import ShardAssignor
from sluice_scheduler.settings import CellsSettings

GROUP = "sluice-cells"
_STOP_DEADLINE = 5.0
_log = structlog.get_logger()


class PartitionCountError(RuntimeError):
    """The topic has another number of partitions than the settings say: cells would get a second writer."""


class RequestConsumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    """A member of the group.

    Attributes:
        assigned: The partitions that are to be served.
        on_revoked: Called, and waited for, before partitions are taken away.
    """

    def __init__(self, settings: CellsSettings) -> None:
        self.assigned: Collection[int] = frozenset()
        self._is_member = False
        self.on_revoked: Callable[[], Awaitable[None]] | None = None
        self._partitions = settings.partitions
        self._max_records = settings.batch
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=GROUP,
            partition_assignment_strategy=[ShardAssignor(settings.cell_shards)],
            enable_auto_commit=True,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=BUSY_FETCH_WAIT_MS,
            session_timeout_ms=int(settings.session_timeout * 1000),
            heartbeat_interval_ms=int(settings.session_timeout * 1000 / 5),
            rebalance_timeout_ms=int(settings.rebalance_timeout * 1000),
        )

    async def start(self) -> None:
        """Join the group.

        Raises:
            PartitionCountError: The topic does not fit the settings.
            aiokafka.errors.KafkaError: Kafka is out of reach.
        """
        self._consumer.subscribe([CELL_REQUESTS.name], listener=self)
        await self._consumer.start()
        found = len(self._consumer.partitions_for_topic(CELL_REQUESTS.name) or ())
        if found != self._partitions:
            raise PartitionCountError(f"{CELL_REQUESTS.name} has {found} partitions, not {self._partitions}")

    async def stop(self) -> None:
        """Leave the group, as far as that can be done before the deadline."""
        try:
            # Of a group that is rebalancing aiokafka asks for ever to take the last offsets, which nobody needs.
            async with asyncio.timeout(_STOP_DEADLINE):
                await self._consumer.stop()
        except TimeoutError:
            _log.warning("cells_group_left_behind")

    def missing(self) -> str | None:
        """Return what this member waits for; None if it knows which partitions it has, though it be none."""
        return None if self._is_member else "its partitions are not assigned yet"

    async def fetch(self) -> Mapping[int, Sequence[Any]]:
        """Return the next requests of each partition; none if none came within a second.

        Raises:
            FatalError: This client has ended.
            KafkaError: Kafka cannot be reached.
        """
        batches = await fetch(self._consumer, self._max_records)
        return {tp.partition: records for tp, records in batches.items()}

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Return where each partition ends."""
        ends = await self._consumer.end_offsets([TopicPartition(CELL_REQUESTS.name, number) for number in partitions])
        return {tp.partition: end for tp, end in ends.items()}

    def seek(self, partition: int, offset: int) -> None:
        """Go on reading there."""
        self._consumer.seek(TopicPartition(CELL_REQUESTS.name, partition), offset)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - all of them are
        """Let the transactions under way be finished and all shards be forgotten."""
        self.assigned, self._is_member = frozenset(), False
        if self.on_revoked is not None:
            await self.on_revoked()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note what is to be taken over: heartbeats wait for this call, so that the next round does it.

        What waits in these partitions is fetched only when a fetch that does not name them has been answered.
        """
        hold_fetches(self._consumer, BUSY_FETCH_WAIT_MS)
        self.assigned, self._is_member = frozenset(tp.partition for tp in assigned), True

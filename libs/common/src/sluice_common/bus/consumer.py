"""The consumer of a group: batches of decoded messages to a handler, what cannot be handled to `dead-letters`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus.producer import Producer
from sluice_common.errors import PoisonError
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.settings import CommonSettings
from sluice_common.topics import Topic

FETCH_WAIT_MS = 2_000
"""How long a broker holds a fetch that finds nothing, milliseconds; Kafka's 500 cost four times the CPU when idle."""


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded record.

    Attributes:
        message: What its value says.
        topic: Where it stood.
        partition: Its partition.
        offset: Its offset.
        key: Its key as it came.
        value: Its value as it came.
    """

    message: Any
    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None


Handler = Callable[[Sequence[Received]], Awaitable[None]]


class Consumer:
    """Feeds batches of decoded messages of a group's partitions to a handler, then commits."""

    def __init__(
        self,
        settings: CommonSettings,
        topics: Sequence[Topic],
        group: str,
        handler: Handler,
        producer: Producer,
        *,
        max_records: int = 1000,
        gather: float = 0.0,
    ) -> None:
        """Prepare a consumer.

        Args:
            settings: Where Kafka is.
            topics: Topics of the subscription; each needs a decoder.
            group: Consumer group.
            handler: Called with each batch, in the order of each partition; where it raises `PoisonError`, again with
                each record of the batch alone.
            producer: For dead letters.
            max_records: Most records of a batch.
            gather: Seconds to wait after a batch so that the next one is larger (saves CPU at low rates).
        """
        self._decoders = {t.name: t.decoder for t in topics if t.decoder is not None}
        self._handler = handler
        self._producer = producer
        self._max_records = max_records
        self._gather = gather
        self._kafka = AIOKafkaConsumer(
            *self._decoders,
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def start(self) -> None:
        """Join the group."""
        await self._kafka.start()

    async def stop(self) -> None:
        """Leave the group."""
        await self._kafka.stop()

    async def run(self) -> None:
        """Consume until cancelled.

        Raises:
            Exception: What the handler raises; nothing of that batch is committed.
        """
        while True:
            batches = await self._kafka.getmany(timeout_ms=1000, max_records=self._max_records)
            records = [record for batch in batches.values() for record in batch]
            if not records:
                continue
            await self._handle([r for record in records if (r := await self._decode(record))])
            await self._kafka.commit(
                {TopicPartition(p.topic, p.partition): batch[-1].offset + 1 for p, batch in batches.items()}
            )
            if self._gather:
                await asyncio.sleep(self._gather)

    async def _handle(self, records: Sequence[Received]) -> None:
        """Hand a batch over; of one with poison, each record alone, and the poison to `dead-letters`."""
        try:
            await self._handler(records)
        except PoisonError as error:
            if len(records) > 1:
                for record in records:
                    await self._handle([record])
            else:
                await self._producer.dead_letter(records[0], str(error))

    async def _decode(self, record: Any) -> Received | None:
        decoder = self._decoders[record.topic]
        try:
            message = decoder.decode(record.value)
        except BrokenMessageError as error:
            await self._producer.dead_letter(record, str(error))
            return None
        return Received(message, record.topic, record.partition, record.offset, record.key, record.value)

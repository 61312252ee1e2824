"""The log of a shard: one Kafka transaction for all that follows from a batch.

Entries of the changelog, grants and probes, dead letters and the offsets applied go together. The transactional id
belongs to the shard, so that whoever owned it before is fenced.
"""

import asyncio
from collections import defaultdict
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from sluice_common.bus.sent import count_dead_letter
from sluice_common.messages.base import now, to_json
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.partitions import partition_for
from sluice_common.topics import CELL_WINDOWS, DEAD_LETTERS, DEVICE_EVENTS
from sluice_scheduler.adapters.cells.changelog import APPLIED_KEY, entry_key, entry_value
from sluice_scheduler.application.cells.ports import Transaction
from sluice_scheduler.settings import CellsSettings

_log = structlog.get_logger()
_MAX_BATCH = 512 * 1024
"""Bytes of one record batch; half of what a broker takes by default."""
_MAX_LETTER = 256 * 1024
"""Bytes of a broken record that its dead letter keeps: more would itself not fit into a record."""
_STOP_DEADLINE = 5.0
"""Seconds: aiokafka waits for ever for batches of a transaction whose abort was cut short."""
_Records = defaultdict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]


class KafkaShardLog:
    """The transactional producer of one shard.

    Args:
        number: Of the shard.
        settings: Where Kafka is, and how many shards there are.
    """

    def __init__(self, number: int, settings: CellsSettings) -> None:
        self._number = number
        self._partitions = settings.partitions
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            transactional_id=f"cells-{number}-of-{settings.cell_shards}",
            transaction_timeout_ms=int(settings.transaction_timeout * 1000),
            max_batch_size=_MAX_BATCH,
        )

    async def start(self) -> None:
        """Become the shard's only writer: fence the last one and abort what it had under way."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect; what a transaction has left behind is not waited for long, as the next owner aborts it."""
        try:
            async with asyncio.timeout(_STOP_DEADLINE):
                await self._producer.stop()
        except (TimeoutError, KafkaError) as error:
            _log.warning("cells_shard_stopped_hard", shard=self._number, error=type(error).__name__)
            await self._producer.client.close()

    async def commit(self, transaction: Transaction) -> None:
        """Write everything in one transaction, or nothing.

        Raises:
            aiokafka.errors.ProducerFenced: Another process owns the shard now.
            aiokafka.errors.KafkaError: Not committed, as far as this process knows.
        """
        async with self._producer.transaction():
            sent: list[asyncio.Future[Any]] = []
            for (topic, partition), records in _records(transaction, self._partitions).items():
                batch = self._producer.create_batch()
                for key, value in records:
                    if batch.append(timestamp=None, key=key, value=value) is None:
                        sent.append(await self._producer.send_batch(batch, topic, partition=partition))
                        batch = self._producer.create_batch()
                        batch.append(timestamp=None, key=key, value=value)
                sent.append(await self._producer.send_batch(batch, topic, partition=partition))
            # aiokafka commits a transaction even if one of its batches has failed: wait for each first.
            await asyncio.gather(*sent)


def _records(transaction: Transaction, partitions: int) -> _Records:
    """Return what a transaction writes, by topic and partition."""
    records: _Records = defaultdict(list)
    for (key, ticket), entry in transaction.changes.items():
        partition = partition_for(key.cell_key, partitions)
        records[CELL_WINDOWS.name, partition].append((entry_key(key, ticket), entry_value(entry)))
    for partition, offset in transaction.applied.items():
        records[CELL_WINDOWS.name, partition].append((APPLIED_KEY, str(offset).encode()))
    # `admit` decides on the requests' time; whoever gets a grant must know when it was given, backlogs included.
    given_at = now()
    for event in transaction.events:
        partition = partition_for(event.device_id, partitions)
        stamped = msgspec.structs.replace(event, occurred_at=given_at)
        records[DEVICE_EVENTS.name, partition].append((event.device_id.encode(), to_json(stamped)))
    for record, reason in transaction.poison:
        letter = DeadLetter.of(record, reason, _MAX_LETTER)
        count_dead_letter(letter)
        records[DEAD_LETTERS.name, record.partition].append((record.key, to_json(letter)))
    return records

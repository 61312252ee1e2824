"""One owned shard of `cell-requests`: its windows in memory and the one producer that may change them.

Requests are applied batch by batch. What follows from a batch (entries of the changelog, grants and probes, dead
letters, the offsets applied) is one Kafka transaction; the transactional id belongs to the shard, so that whoever
owned it before is fenced. After an error the memory may be ahead of what is committed: the process ends and restores.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from sluice_common.messages.base import now, to_json
from sluice_common.messages.cell_requests import CellRequest
from sluice_common.messages.codec import CELL_REQUESTS as DECODER
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.messages.slots import WindowKey
from sluice_common.partitions import partition_for
from sluice_common.topics import CELL_WINDOWS, DEAD_LETTERS, DEVICE_EVENTS
from sluice_rules.cells.admit import admit
from sluice_rules.cells.window import Entry, Holder, Ticket, Window, ticket_of
from sluice_scheduler.adapters.cells.changelog import APPLIED_KEY, NOTHING_APPLIED, Stored, entry_key, entry_value
from sluice_scheduler.settings import CellsSettings

_log = structlog.get_logger()
_MAX_BATCH = 512 * 1024
"""Bytes of one record batch; half of what a broker takes by default."""
_MAX_LETTER = 256 * 1024
"""Bytes of a broken record that its dead letter keeps: more would itself not fit into a record."""
_STOP_DEADLINE = 5.0
"""Seconds: aiokafka waits for ever for batches of a transaction whose abort was cut short."""

DeadlineWatch = Callable[[WindowKey, Holder], None]
"""Told of every holder whose deadline was set."""


class CellsShard:
    """The windows of one shard.

    Attributes:
        partitions: Its partitions.
        applied: Offset of the last committed request of each partition.
    """

    def __init__(self, number: int, partitions: Collection[int], settings: CellsSettings, watch: DeadlineWatch) -> None:
        self.partitions = partitions
        self.applied = dict.fromkeys(partitions, NOTHING_APPLIED)
        self._number = number
        self._settings = settings
        self._watch = watch
        self._windows: dict[WindowKey, Window] = {}
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

    def restore(self, stored: Mapping[int, Stored], ends: Mapping[int, int]) -> None:
        """Take over what the changelog says of each partition.

        Args:
            stored: The changelog, by partition.
            ends: Where `cell-requests` ends. Requests that Kafka has lost are not waited for, lest those that take
                their offsets be skipped; the devices' deadlines ask again.
        """
        for partition in self.partitions:
            self.applied[partition] = min(stored[partition].applied, ends[partition] - 1)
            for key, entries in stored[partition].windows.items():
                if entries:
                    self._windows[key] = Window(key, self._settings.rules_of(key.coverage_class), entries)
        for key, window in self._windows.items():
            for holder in window.holders.values():
                self._watch(key, holder)
        _log.info(
            "cells_shard_restored",
            shard=self._number,
            partitions=sorted(self.partitions),
            windows=len(self._windows),
            holders=sum(len(window.holders) for window in self._windows.values()),
            waiters=sum(len(window.waiters) for window in self._windows.values()),
        )

    def holds(self, key: WindowKey, holder: Holder) -> bool:
        """Return whether a window has exactly this holder, with this deadline."""
        window = self._windows.get(key)
        return window is not None and window.holders.get(ticket_of(holder.grant)) == holder

    async def apply(self, batches: Mapping[int, Sequence[Any]]) -> None:
        """Apply the requests of each partition and commit what follows; those applied before are skipped.

        Raises:
            aiokafka.errors.ProducerFenced: Another process owns the shard now.
            aiokafka.errors.KafkaError: Not committed, as far as this process knows.
            TimeoutError: Kafka did not commit in time.
        """
        transaction = _Transaction(self._settings.partitions)
        for partition, records in batches.items():
            for record in records:
                if record.offset > self.applied[partition]:
                    self._apply(record, transaction)
        if not transaction.applied:
            return
        async with asyncio.timeout(self._settings.commit_deadline):
            await _commit(self._producer, transaction.records())
        self.applied |= transaction.applied
        for (key, _), entry in transaction.changes.items():
            if isinstance(entry, Holder):
                self._watch(key, entry)

    def _apply(self, record: Any, transaction: "_Transaction") -> None:
        transaction.applied[record.partition] = record.offset
        try:
            request = self._decode(record)
        except BrokenMessageError as error:
            _log.warning("dead_letter", topic=record.topic, offset=record.offset, reason=str(error))
            transaction.letters.append((record, str(error)))
            return
        key = request.window
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(key, self._settings.rules_of(key.coverage_class))
        admission = admit(window, request)
        transaction.events += admission.events
        for ticket, entry in admission.changes.items():
            transaction.changes[key, ticket] = entry
        if window.is_empty:
            del self._windows[key]

    def _decode(self, record: Any) -> CellRequest:
        """Return the request of a record.

        Raises:
            BrokenMessageError: Not understood, or of a cell of another partition: it must not have two writers.
        """
        request: CellRequest = DECODER.decode(record.value)
        if partition_for(request.window.cell_key, self._settings.partitions) != record.partition:
            raise BrokenMessageError(f"cell {request.window.cell_key!r} belongs to another partition")
        return request


class _Transaction:
    """What follows from the requests of one transaction."""

    def __init__(self, partitions: int) -> None:
        self.applied: dict[int, int] = {}
        self.changes: dict[tuple[WindowKey, Ticket], Entry | None] = {}
        self.events: list[Any] = []
        self.letters: list[tuple[Any, str]] = []
        self._partitions = partitions

    def records(self) -> "_Records":
        """Return it as records, by topic and partition; of an entry that changed twice only the last."""
        records: _Records = defaultdict(list)
        for (key, ticket), entry in self.changes.items():
            partition = partition_for(key.cell_key, self._partitions)
            records[CELL_WINDOWS.name, partition].append((entry_key(key, ticket), entry_value(entry)))
        for partition, offset in self.applied.items():
            records[CELL_WINDOWS.name, partition].append((APPLIED_KEY, str(offset).encode()))
        # `admit` decides on the requests' time; whoever gets a grant must know when it was given, backlogs included.
        given_at = now()
        for event in self.events:
            partition = partition_for(event.device_id, self._partitions)
            stamped = msgspec.structs.replace(event, occurred_at=given_at)
            records[DEVICE_EVENTS.name, partition].append((event.device_id.encode(), to_json(stamped)))
        for record, reason in self.letters:
            records[DEAD_LETTERS.name, record.partition].append(
                (record.key, to_json(DeadLetter.of(record, reason, _MAX_LETTER)))
            )
        return records


_Records = defaultdict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]


async def _commit(producer: AIOKafkaProducer, outgoing: _Records) -> None:
    """Write everything in one transaction, or nothing."""
    async with producer.transaction():
        sent: list[asyncio.Future[Any]] = []
        for (topic, partition), records in outgoing.items():
            batch = producer.create_batch()
            for key, value in records:
                if batch.append(timestamp=None, key=key, value=value) is None:
                    sent.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value)
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        # aiokafka commits a transaction even if one of its batches has failed: wait for each first.
        await asyncio.gather(*sent)

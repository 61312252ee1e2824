"""One owned shard of `cell-requests`: its windows in memory, and its log, the only one that may change them.

Requests are applied batch by batch, and what follows from a batch is committed at once. A request that is poison goes
to `dead-letters` with that and leaves its window as it was. After an error of the log the memory may be ahead of what
is committed: the process ends and restores.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from sluice_common.errors import PoisonError
from sluice_common.messages.cell_requests import CellRequest
from sluice_common.messages.codec import CELL_REQUESTS as DECODER
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.slots import WindowKey
from sluice_common.partitions import partition_for
from sluice_common.tracing import record as trace
from sluice_rules.cells.window import Holder
from sluice_scheduler.application.cells.ports import (
    NOTHING_APPLIED,
    RequestRecord,
    ShardLog,
    StoredPartition,
    Transaction,
)
from sluice_scheduler.application.cells.usage import CellCounts
from sluice_scheduler.application.cells.windows import RulesOf, Windows

_log = structlog.get_logger()
MAX_REQUEST_BYTES = 64 * 1024
"""Bytes of a request, of which a few hundred are usual: whatever follows from one then fits into a record."""
DeadlineWatch = Callable[[WindowKey, Holder], None]
"""Told of every holder whose deadline was set."""


def shard_of(partition: int, shards: int) -> int:
    """Return the shard that a partition belongs to."""
    return partition % shards


class Shard:
    """The windows of one shard.

    Args:
        partitions: Its partitions.
        log: Its log.
        rules_of: Figures of the windows.
        watch: Told of deadlines.
        all_partitions: Number of partitions of the topic.
        commit_deadline: Seconds until a batch must be committed.
        counts: Counts what is applied.

    Attributes:
        applied: Offset of the last committed request of each partition.
    """

    def __init__(
        self,
        partitions: Collection[int],
        log: ShardLog,
        rules_of: RulesOf,
        watch: DeadlineWatch,
        *,
        all_partitions: int,
        commit_deadline: float,
        counts: CellCounts | None = None,
    ) -> None:
        self.applied = dict.fromkeys(partitions, NOTHING_APPLIED)
        self._shard_log = log
        self._windows = Windows(rules_of, counts or CellCounts())
        self._watch = watch
        self._all_partitions = all_partitions
        self._commit_deadline = commit_deadline

    async def start(self) -> None:
        """Become the shard's only writer."""
        await self._shard_log.start()

    async def stop(self) -> None:
        """Disconnect; what is under way is not waited for."""
        await self._shard_log.stop()

    def restore(self, stored: Mapping[int, StoredPartition], ends: Mapping[int, int]) -> None:
        """Take over what is stored of each partition.

        Args:
            stored: By partition.
            ends: Where `cell-requests` ends. Requests that Kafka has lost are not waited for, lest those that take
                their offsets be skipped; the devices' deadlines ask again.
        """
        for partition in self.applied:
            self.applied[partition] = min(stored[partition].applied, ends[partition] - 1)
            self._windows.restore(stored[partition].windows)
        for key, holder in self._windows.holders():
            self._watch(key, holder)
        _log.info("cells_shard_restored", partitions=sorted(self.applied), **self._windows.counts())

    @property
    def windows(self) -> Windows:
        """Its windows, to be looked at."""
        return self._windows

    def holds(self, key: WindowKey, holder: Holder) -> bool:
        """Return whether a window has exactly this holder, with this deadline."""
        return self._windows.holds(key, holder)

    async def apply(self, batches: Mapping[int, Sequence[RequestRecord]]) -> None:
        """Apply the requests of each partition and commit what follows; those applied before are skipped.

        Raises:
            TimeoutError: It was not committed in time.
            Exception: What the log raises: another process owns the shard now, or it is not known to be committed.
        """
        transaction = Transaction()
        for partition, records in batches.items():
            for record in records:
                if record.offset > self.applied[partition]:
                    self._apply(record, transaction)
        if not transaction.applied:
            return
        async with asyncio.timeout(self._commit_deadline):
            await self._shard_log.commit(transaction)
        self.applied |= transaction.applied
        for (key, _), entry in transaction.changes.items():
            if isinstance(entry, Holder):
                self._watch(key, entry)

    def _apply(self, record: RequestRecord, transaction: Transaction) -> None:
        transaction.applied[record.partition] = record.offset
        began = time.time()
        try:
            request = self._decode(record)
            admission = self._windows.admit(request)
        except PoisonError as error:
            _log.warning("dead_letter", topic=record.topic, offset=record.offset, reason=str(error))
            transaction.poison.append((record, str(error)))
            return
        trace("admit", request.traceparent, began, window=str(request.window), grants=len(admission.events))
        transaction.events += admission.events
        for ticket, entry in admission.changes.items():
            transaction.changes[request.window, ticket] = entry

    def _decode(self, record: RequestRecord) -> CellRequest:
        """Return the request of a record.

        Raises:
            BrokenMessageError: Not understood, too large, or of a cell of another partition: it must not have two
                writers.
        """
        if record.value is not None and len(record.value) > MAX_REQUEST_BYTES:
            raise BrokenMessageError(f"a request of {len(record.value)} bytes")
        request: CellRequest = DECODER.decode(record.value)
        if partition_for(request.window.cell_key, self._all_partitions) != record.partition:
            raise BrokenMessageError(f"cell {request.window.cell_key!r} belongs to another partition")
        return request

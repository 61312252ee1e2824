"""The consumer of a group: batches of decoded messages to a handler, what cannot be handled to `dead-letters`.

Whatever happens in the middle of a batch, the batch comes again: after trouble (`is_passing`) to this consumer, which
stays in its group meanwhile; after a rebalance to whoever has the partition then. A consumer that is told to end
handles and commits the batch that it has in hand. Its successor repeats only what a handler has done behind a record
that it had left for later.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from sluice_common.bus.handling import BatchHandler, Handler, Received
from sluice_common.bus.in_hand import InHand
from sluice_common.bus.lag import Position, Positions, lag_watched
from sluice_common.bus.producer import SEND_TIMEOUT, Producer
from sluice_common.errors import FatalError
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.operations.readiness import READINESS
from sluice_common.resources import finished
from sluice_common.settings import CommonSettings
from sluice_common.supervision import Backoff, repeat
from sluice_common.topics import Topic

_log = structlog.get_logger()
_BACKOFF = Backoff(first=0.5, longest=5.0)
FINISH_SECONDS = 5.0
"""Seconds that a batch in hand may take at the end of the process; what is not committed then comes again."""
_FETCH_TIMEOUT_MS = 1000
_SPANS = 3
"""Batches of records, at most, that are handled and not committed because a handler has left one before them."""
LONGEST_REST = 10.0
"""Most seconds between two batches, for the sake of a busy database."""
FETCH_WAIT_MS = 2_000
"""How long a broker holds a fetch that finds nothing, milliseconds; Kafka's 500 cost four times the CPU when idle."""
BUSY_FETCH_WAIT_MS = 200
"""The same while there is news, and for a new consumer. A fetch does not name partitions of which records wait for a
handler that is busy: what comes to them meanwhile waits until the broker has answered for the silent ones."""


async def fetch(
    kafka: AIOKafkaConsumer, max_records: int, timeout_ms: int = _FETCH_TIMEOUT_MS
) -> Mapping[TopicPartition, Sequence[Any]]:
    """Return records by partition; none if none came in time.

    Args:
        kafka: Whose fetches are held for `BUSY_FETCH_WAIT_MS` after records, and for `FETCH_WAIT_MS` after none.
        max_records: Most records.
        timeout_ms: Milliseconds to wait for them; 0 if there is other work meanwhile.

    Raises:
        FatalError: The client's own tasks have ended: it would raise the same for ever.
        KafkaError: Kafka cannot be reached.
    """
    try:
        batches = await kafka.getmany(timeout_ms=timeout_ms, max_records=max_records)
    except Exception as error:
        if kafka._coordinator._coordination_task.done():  # noqa: SLF001 - it tells nobody
            raise FatalError(f"the consumer has ended: {error!r}") from error
        raise
    news = {partition: batch for partition, batch in batches.items() if batch}
    hold_fetches(kafka, BUSY_FETCH_WAIT_MS if news or not timeout_ms else FETCH_WAIT_MS)
    return news


def hold_fetches(kafka: AIOKafkaConsumer, milliseconds: int) -> None:
    """Have a broker hold the fetches of a consumer for so long from now on that find nothing."""
    kafka._fetcher._fetch_max_wait_ms = milliseconds  # noqa: SLF001 - aiokafka takes it at the start only


def pause_after(took: float, gather: float, rest: float, *, is_full: bool = False) -> float:
    """Return the seconds to wait after a batch that has taken some, with the parameters of a `Consumer`.

    After a full one the next need not gather: where so many came, more may wait.
    """
    return max(0.0 if is_full else gather, min(rest * took, LONGEST_REST))


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Tells somebody that partitions have been assigned."""

    def __init__(self, on_assigned: Callable[[], object]) -> None:
        self._on_assigned = on_assigned

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Do nothing: a batch in hand comes again."""

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's signature
        """Tell."""
        self._on_assigned()


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
        rest: float = 0.0,
        on_assigned: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare a consumer.

        Args:
            settings: Where Kafka is.
            topics: Topics of the subscription; each needs a decoder.
            group: Consumer group.
            handler: Called with each batch, in the order of each partition, behind what it has left of the last ones in
                its own order; where it raises `PoisonError`, again with each of these records alone.
            producer: For dead letters.
            max_records: Most records of a batch, with those that were left.
            gather: Seconds to wait after a batch that was not full: the next one is larger (saves CPU at low rates).
            rest: The same in times of what the batch has taken: the busier the database, the less it is asked for what
                can wait, `LONGEST_REST` seconds at most.
            on_assigned: Called when partitions are assigned: another consumer may have had them meanwhile.
        """
        self._decoders = {t.name: t.decoder for t in topics if t.decoder is not None}
        self._compacted = {t.name for t in topics if t.is_compacted}
        self._handler = BatchHandler(handler, producer)
        self._producer = producer
        self._max_records = max_records
        self._gather = gather
        self._rest = rest
        self._group = group
        self._in_hand = InHand()
        self._is_reassigned = False
        self._watch = ExitStack()
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            isolation_level="read_committed",
            fetch_max_wait_ms=BUSY_FETCH_WAIT_MS,
        )
        self._on_assigned = on_assigned

    async def start(self) -> None:
        """Join the group."""
        self._kafka.subscribe(list(self._decoders), listener=_Assignments(self._note_assignment))
        await self._kafka.start()
        self._watch.enter_context(lag_watched(self._group, self._positions))
        READINESS.require(f"consumer group {self._group}", self._missing)

    async def stop(self) -> None:
        """Leave the group."""
        self._watch.close()
        await self._kafka.stop()

    async def run(self) -> None:
        """Consume until cancelled.

        Raises:
            FatalError: The handler raised it, or this consumer has ended.
        """
        await repeat("batch_not_handled", self._consume, backoff=_BACKOFF)

    async def _consume(self) -> None:
        """Handle one batch and commit it; one that fails is read again.

        Raises:
            Exception: What the handler or Kafka raised.
        """
        left, room = bool(self._in_hand.left), self._room()
        batches = await fetch(self._kafka, room, 0 if left else _FETCH_TIMEOUT_MS) if room > 0 else {}
        if self._is_reassigned:
            self._is_reassigned, self._in_hand = False, InHand()
        if not batches and not self._in_hand.left:
            return
        began = time.monotonic()
        await finished(self._handle(batches), within=FINISH_SECONDS)
        if not self._in_hand.left:
            is_full = sum(map(len, batches.values())) >= room
            await asyncio.sleep(pause_after(time.monotonic() - began, self._gather, self._rest, is_full=is_full))

    def _room(self) -> int:
        """Return how many more records may be fetched: none while too much is handled behind what is left."""
        return self._max_records - len(self._in_hand.left) if self._in_hand.span < _SPANS * self._max_records else 0

    def _note_assignment(self) -> None:
        self._is_reassigned = True
        self._on_assigned()

    async def _handle(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        self._in_hand.take(batches)
        try:
            records = [r for batch in batches.values() for record in batch if (r := await self._decode(record))]
            left = await self._handler.handle([*self._in_hand.left, *records])
            await self._commit(self._in_hand.done(left))
            self._in_hand.leave(left)
        except Exception:
            self._rewind(self._in_hand.begins)
            self._in_hand = InHand()
            raise

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the positions behind a batch; if partitions have moved meanwhile, it comes again to their new owner.

        Raises:
            KafkaError: Kafka does not take it.
            TimeoutError: It does not within `SEND_TIMEOUT`.
        """
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._kafka.commit(dict(offsets))
        except (CommitFailedError, IllegalStateError) as error:
            _log.info("batch_after_rebalance", partitions=len(offsets), reason=str(error))

    def _rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read again from offsets on, of the partitions that this consumer still has."""
        for partition in self._kafka.assignment() & offsets.keys():
            self._kafka.seek(partition, offsets[partition])

    async def _positions(self) -> Positions:
        """Return where the group stands in the partitions of this consumer; a batch in hand is not done."""
        partitions = list(self._kafka.assignment())
        ends = await self._kafka.end_offsets(partitions) if partitions else {}
        return {(tp.topic, tp.partition): Position(await self._done(tp), end) for tp, end in ends.items()}

    async def _done(self, partition: TopicPartition) -> int:
        in_hand = self._in_hand.begins.get(partition)
        return int(await self._kafka.position(partition)) if in_hand is None else in_hand

    def _missing(self) -> str | None:
        joining = self._kafka._subscription.reassignment_in_progress  # noqa: SLF001 - it tells nobody
        return "its partitions are not assigned yet" if joining else None

    async def _decode(self, record: Any) -> Received | None:
        """Return a record as a message; None for a tombstone, which says nothing, and for what goes to dead letters."""
        if record.value is None and record.topic in self._compacted:
            return None
        decoder = self._decoders[record.topic]
        try:
            message = decoder.decode(record.value)
        except BrokenMessageError as error:
            await self._producer.dead_letter(record, str(error))
            return None
        return Received(message, record.topic, record.partition, record.offset, record.key, record.value)

"""Kafka for all services but the scheduler's stages: a producer, and consumers that lose nothing.

Everything is at least once: a consumer commits after its handler has returned, so handlers are idempotent.
What cannot be decoded goes to `dead-letters` and never stops a consumer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, TopicAlreadyExistsError, for_code

from sluice_common.errors import PoisonError
from sluice_common.messages.base import to_json
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.partitions import partition_for
from sluice_common.settings import CommonSettings
from sluice_common.topics import ALL_TOPICS, DEAD_LETTERS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, Topic

_log = structlog.get_logger()
FETCH_WAIT_MS = 2_000
"""How long a broker holds a fetch that finds nothing, milliseconds; Kafka's 500 cost four times the CPU when idle."""
SEND_TIMEOUT = 30.0
"""Seconds to wait for Kafka's acknowledgement, here and in `acknowledged`.

The client alone would wait for ever: batches of an idempotent producer never expire while their leader is known.
"""


async def create_topics(settings: CommonSettings, topics: Sequence[Topic] = ALL_TOPICS) -> None:
    """Create the topics that do not exist; those that do are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [
            NewTopic(t.name, settings.partitions, settings.replication_factor, topic_configs=t.config)
            for t in topics
            if t.name not in existing
        ]
        if missing:
            response = await admin.create_topics(missing)
            for _, code, *_ in response.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error
    finally:
        await admin.close()


async def acknowledged(sent: Iterable[Awaitable[Any]]) -> None:
    """Wait until Kafka has all that was sent.

    Args:
        sent: What `Producer.send` returned.

    Raises:
        KafkaTimeoutError: It has not within `SEND_TIMEOUT`; it may get it yet.
        KafkaError: It refuses a message.
    """
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await asyncio.gather(*sent)
    except TimeoutError as error:
        raise KafkaTimeoutError(f"no acknowledgement within {SEND_TIMEOUT:g} s") from error


class Producer:
    """Sends messages; `acks=all` and idempotent, so that broker retries make no duplicates."""

    def __init__(self, settings: CommonSettings) -> None:
        self._partitions = settings.partitions
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=int(settings.linger * 1000),
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=int(SEND_TIMEOUT * 1000),
        )

    async def start(self) -> None:
        """Connect."""
        await self._kafka.start()

    async def stop(self) -> None:
        """Flush and disconnect."""
        await self._kafka.stop()

    async def send(
        self,
        topic: Topic,
        key: str,
        message: Any,
        *,
        partition_key: str | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[Any]:
        """Hand a message over; the future is done when Kafka has it.

        Args:
            topic: Where to.
            key: Record key.
            message: What.
            partition_key: Key that chooses the partition, if not the record key.
            partition: The partition itself, for topics with explicit partitions.

        Raises:
            MessageSizeTooLargeError: It is larger than `MAX_MESSAGE_BYTES`. A broker must not be the one to refuse
                it: its batch has a sequence number by then, and all later ones of the partition would be refused too.
        """
        value = to_json(message)
        if len(value) > MAX_MESSAGE_BYTES:
            raise MessageSizeTooLargeError(f"{len(value)} bytes for {topic.name}")
        if partition is None:
            partition = partition_for(partition_key or key, self._partitions)
        future: asyncio.Future[Any] = await self._kafka.send(
            topic.name, value=value, key=key.encode(), partition=partition
        )
        return future

    async def publish(
        self,
        topic: Topic,
        key: str,
        message: Any,
        *,
        partition_key: str | None = None,
        partition: int | None = None,
    ) -> None:
        """Send and wait until Kafka has it.

        Raises:
            KafkaError: As of `send` and `acknowledged`.
        """
        await acknowledged([await self.send(topic, key, message, partition_key=partition_key, partition=partition)])

    async def publish_all(self, messages: Iterable[tuple[Topic, str, Any]], /) -> None:
        """Send messages, each with its topic and key, in their order, and wait until Kafka has them all.

        Raises:
            KafkaError: As of `send` and `acknowledged`.
        """
        await acknowledged([await self.send(topic, key, message) for topic, key, message in messages])

    async def dead_letter(self, record: Any, reason: str) -> None:
        """Put a record that cannot be handled into `dead-letters` and wait until Kafka has it.

        Args:
            record: A record of aiokafka, or a `Received`.
            reason: Why it cannot be handled.

        Raises:
            KafkaError: As of `acknowledged`.
        """
        await self.send_dead_letter(DeadLetter.of(record, reason))

    async def send_dead_letter(self, letter: DeadLetter) -> None:
        """Put a dead letter beside its source and wait until Kafka has it.

        Raises:
            KafkaError: As of `acknowledged`.
        """
        _log.warning("dead_letter", topic=letter.source_topic, offset=letter.offset, reason=letter.reason)
        partition = letter.partition % self._partitions
        value = to_json(letter)
        await acknowledged(
            [await self._kafka.send(DEAD_LETTERS.name, value=value, key=letter.key, partition=partition)]
        )


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

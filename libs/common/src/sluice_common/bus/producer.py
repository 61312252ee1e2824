"""The producer, which waits for Kafka to acknowledge what it is given."""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, Never

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from sluice_common.bus.sent import SENT, count_dead_letter
from sluice_common.errors import FatalError
from sluice_common.messages.base import to_json
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.partitions import partition_for
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEAD_LETTERS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, Topic

_log = structlog.get_logger()
SEND_TIMEOUT = 30.0
"""Seconds to wait for Kafka's acknowledgement, here and in `acknowledged`.

The client alone would wait for ever: batches of an idempotent producer never expire while their leader is known.
"""


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


STOP_TIMEOUT = 3.0
"""Seconds that a stop waits for Kafka."""


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
        """Flush, for `STOP_TIMEOUT` at most, and disconnect: what Kafka does not have by then is not acknowledged."""
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._kafka.stop()
        except TimeoutError:
            _log.warning("producer_not_flushed")
            await self._disconnect()

    async def _disconnect(self) -> None:
        """Close connections that do not answer: what waits for one fails at once, and then the sender ends."""
        await self._kafka.client.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._kafka._sender.close()  # noqa: SLF001 - `stop` goes on only when it has flushed

    async def watch(self) -> Never:
        """Wait until this producer has ended by itself: whoever sends may take its error for one of many.

        Raises:
            FatalError: It has.
        """
        ended = self._kafka._sender.sender_task  # noqa: SLF001 - it tells nobody
        await asyncio.wait((ended,))
        raise FatalError("the producer has ended")

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
            KafkaError: Kafka does not say where to send it.
            FatalError: As of `_send`.
        """
        value = to_json(message)
        if len(value) > MAX_MESSAGE_BYTES:
            raise MessageSizeTooLargeError(f"{len(value)} bytes for {topic.name}")
        if partition is None:
            partition = partition_for(partition_key or key, self._partitions)
        return await self._send(topic, key.encode(), value, partition)

    async def _send(self, topic: Topic, key: bytes | None, value: bytes | None, partition: int) -> asyncio.Future[Any]:
        """Hand bytes over; no value is a tombstone.

        Raises:
            FatalError: This producer has ended, as when Kafka finds a gap in its sequence numbers: it will never send
                anything again, and which of the messages before Kafka has, nobody knows.
        """
        try:
            future: asyncio.Future[Any] = await self._kafka.send(topic.name, value=value, key=key, partition=partition)
        except KafkaError as error:
            if self._kafka._sender.sender_task.done():  # noqa: SLF001 - it tells nobody
                raise FatalError(f"the producer has ended: {error!r}") from error
            raise
        SENT[topic.name] += 1
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

    async def send_tombstone(self, topic: Topic, key: str, *, partition: int) -> asyncio.Future[Any]:
        """Have a compacted topic forget a key; the future is done when Kafka has it.

        Raises:
            KafkaError: Kafka does not say where to send it.
            FatalError: As of `_send`.
        """
        return await self._send(topic, key.encode(), None, partition)

    async def publish_tombstones(self, topic: Topic, keys: Iterable[tuple[str, str]], /) -> None:
        """Have a compacted topic forget keys, each with the key of its partition, and wait until Kafka has them all.

        Raises:
            KafkaError: As of `send` and `acknowledged`.
        """
        await acknowledged(
            [
                await self._send(topic, key.encode(), None, partition_for(partition_key, self._partitions))
                for key, partition_key in keys
            ]
        )

    async def publish_bytes(self, topic: Topic, key: bytes | None, value: bytes | None, partition: int) -> None:
        """Put bytes into a partition as they are and wait until Kafka has them; no value is a tombstone.

        Raises:
            MessageSizeTooLargeError: As of `send`.
            KafkaError: As of `acknowledged`.
        """
        if len(value or b"") > MAX_MESSAGE_BYTES:
            raise MessageSizeTooLargeError(f"{len(value or b'')} bytes for {topic.name}")
        await acknowledged([await self._send(topic, key, value, partition)])

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
        count_dead_letter(letter)
        _log.warning("dead_letter", topic=letter.source_topic, offset=letter.offset, reason=letter.reason)
        partition = letter.partition % self._partitions
        value = to_json(letter)
        await acknowledged([await self._send(DEAD_LETTERS, letter.key, value, partition)])

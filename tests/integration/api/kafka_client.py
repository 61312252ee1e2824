"""Kafka as the other services use it: what they would say is said here."""

import asyncio
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from sluice_common.bus import Producer
from sluice_common.messages.base import now
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.partitions import partition_for
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import Topic


class Bus:
    """Kafka as the other services use it."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings

    def publish(self, topic: Topic, *keyed: tuple[str, Any], partition_key: str | None = None) -> None:
        """Publish messages under their keys."""

        async def send() -> None:
            async with started(Producer(self._settings)) as producer:
                for key, message in keyed:
                    await producer.publish(topic, key, message, partition_key=partition_key)

        asyncio.run(send())

    def put(self, topic: Topic, value: bytes) -> None:
        """Put bytes into a topic."""

        async def send() -> None:
            async with started(AIOKafkaProducer(bootstrap_servers=self._settings.kafka_bootstrap)) as producer:
                await producer.send_and_wait(topic.name, value=value, key=b"key", partition=0)

        asyncio.run(send())

    def dead_letter(
        self, topic: Topic, key: str, value: bytes, reason: str, *, partition_key: str | None = None
    ) -> int:
        """Put a letter of a record that would stand before all that its partition holds; return the partition."""
        partition = partition_for(partition_key or key, self._settings.partitions)
        letter = DeadLetter(
            source_topic=topic.name,
            partition=partition,
            offset=0,
            reason=reason,
            key=key.encode(),
            value=value,
            occurred_at=now(),
        )

        async def send() -> None:
            async with started(Producer(self._settings)) as producer:
                await producer.send_dead_letter(letter)

        asyncio.run(send())
        return partition

    def places(self, topic: Topic, key: str) -> list[int]:
        """Return the partition of each record of a key."""
        return [record.partition for record in self._records(topic) if record.key == key.encode()]

    def last_values(self, topic: Topic, keys: set[str]) -> set[bytes | None]:
        """Return the last values of keys; None is a tombstone."""
        last = {record.key.decode(): record.value for record in self._records(topic) if record.key is not None}
        return {last[key] for key in keys}

    def read(self, topic: Topic) -> list[Any]:
        """Return all messages of a topic so far, decoded where it has a decoder; what tests broke is left out."""
        records = self._records(topic)
        if topic.decoder is None:
            return [record.value for record in records]
        messages: list[Any] = []
        for record in records:
            with suppress(BrokenMessageError):
                messages.append(topic.decoder.decode(record.value))
        return messages

    def _records(self, topic: Topic) -> list[Any]:
        """Return all records of a topic so far."""

        async def consume() -> list[Any]:
            partitions = [TopicPartition(topic.name, p) for p in range(self._settings.partitions)]
            consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka_bootstrap, auto_offset_reset="earliest")
            async with started(consumer):
                consumer.assign(partitions)
                ends = await consumer.end_offsets(partitions)
                found: list[Any] = []
                for partition, end in ends.items():
                    while await consumer.position(partition) < end:
                        batch = await consumer.getmany(partition, timeout_ms=1000)
                        found += [record for records in batch.values() for record in records]
                return found

        return asyncio.run(consume())

"""How far consumer groups are, and how to set them further; what comes to a topic from now on."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import AdminClient
from sluice_common.errors import PoisonError
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import Topic

_POLL_MS = 50


async def lag(settings: CommonSettings, group: str, topic: Topic) -> int:
    """Return how many records of a topic a group has not committed."""
    partitions = _partitions(settings, topic)
    async with started(AdminClient(bootstrap_servers=settings.kafka_bootstrap)) as admin, _consumer(settings) as reader:
        ends = await reader.end_offsets(partitions)
        committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
    return sum(end - max(committed[partition].offset, 0) for partition, end in ends.items())


async def commit_ends(settings: CommonSettings, group: str, topics: Sequence[Topic], *, behind: int = 0) -> None:
    """Set a group that has no members to the ends of topics.

    Args:
        settings: Where Kafka is.
        group: The group.
        topics: What it reads.
        behind: Records of each partition that it shall have before it.
    """
    partitions = [partition for topic in topics for partition in _partitions(settings, topic)]
    async with _consumer(settings, group_id=group) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit({partition: max(end - behind, 0) for partition, end in ends.items()})


@asynccontextmanager
async def awaited(
    settings: CommonSettings, topic: Topic, is_wanted: Callable[[Any], bool]
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yield what waits for a message that comes to a topic from now on.

    Args:
        settings: Where Kafka is.
        topic: The topic.
        is_wanted: Returns whether a message is the one.
    """
    partitions = _partitions(settings, topic)
    async with _consumer(settings, isolation_level="read_committed") as consumer:
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)

        async def wait() -> None:
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
                if any(is_wanted(message) for records in batches.values() for message in decoded(topic, records)):
                    return

        yield wait


def decoded(topic: Topic, records: Sequence[Any]) -> Sequence[Any]:
    """Return the messages of records; poison is left out."""
    messages = []
    for record in records:
        try:
            messages.append(topic.decoder.decode(record.value) if topic.decoder else None)
        except PoisonError:
            continue
    return messages


@asynccontextmanager
async def _consumer(settings: CommonSettings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, **options)
    async with started(consumer):
        yield consumer


def _partitions(settings: CommonSettings, topic: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for number in range(settings.partitions)]

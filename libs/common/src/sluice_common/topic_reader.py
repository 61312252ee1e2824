"""The one reader of whole topics: what they hold now, then what comes.

Used where a process must know all of a topic before it serves: registrations, MQTT commands, revoked images, windows.
It has no consumer group, reads what is committed only, and writes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import FETCH_WAIT_MS
from sluice_common.errors import PoisonError
from sluice_common.garbage import no_collection
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.supervision import forever, is_fatal, is_passing, note_failure
from sluice_common.topics import Topic

Message = TypeVar("Message")
_STALL_SECONDS = 60.0
"""Without a record for so long, reading what a topic holds has failed."""
_READ_POLL_MS = 200
_FOLLOW_POLL_MS = 1_000
_LATE_FETCH_BYTES = 65_536


class TopicReader(Generic[Message]):
    """Reads a topic from its beginning.

    A record that its decoder refuses as poison is passed over: the topic's consumer group dead-letters it. So is one
    that whoever takes it fails at, which is told; errors that may pass are raised, and its batch is handed over again.

    Args:
        settings: Where Kafka is, and how many partitions a topic has.
        topic: The topic.
        decode: Makes a message of a record of aiokafka; without it the topic's decoder makes it of the value.
        partitions: Those to read; all of them by default.
        max_delay: Seconds that a message may come late while following; fewer and larger fetches cost less CPU.

    Attributes:
        ends: Where each partition ended when `read` began.
    """

    def __init__(
        self,
        settings: CommonSettings,
        topic: Topic,
        *,
        decode: Callable[[Any], Message] | None = None,
        partitions: Collection[int] | None = None,
        max_delay: float = 0.0,
    ) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._decode = decode or _by_value(topic)
        numbers = range(settings.partitions) if partitions is None else partitions
        self._positions = {TopicPartition(topic.name, number): 0 for number in numbers}
        self.ends: dict[int, int] = {}
        self._fetching = (
            {"fetch_min_bytes": _LATE_FETCH_BYTES, "fetch_max_wait_ms": int(max_delay * 1000)}
            if max_delay
            else {"fetch_max_wait_ms": FETCH_WAIT_MS}
        )

    async def read(self, take: Callable[[Message], Awaitable[None]]) -> None:
        """Hand over what the topic holds now, in the order of each partition.

        Args:
            take: Called with each message.

        Raises:
            KafkaError: Kafka cannot be reached.
            TimeoutError: Nothing came for a minute, though there is more.
        """
        with no_collection():
            await self._read(take)

    async def _read(self, take: Callable[[Message], Awaitable[None]]) -> None:
        async with started(self._consumer()) as consumer:
            consumer.assign(list(self._positions))
            await consumer.seek_to_beginning(*self._positions)
            ends: dict[TopicPartition, int] = await consumer.end_offsets(list(self._positions))
            self.ends = {partition.partition: end for partition, end in ends.items()}
            async with asyncio.timeout(_STALL_SECONDS) as limit:
                while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                    if await self._poll(consumer, _READ_POLL_MS, take):
                        limit.reschedule(asyncio.get_running_loop().time() + _STALL_SECONDS)
            self._positions = {partition: await consumer.position(partition) for partition in ends}

    async def follow(self, take: Callable[[Message], Awaitable[None]]) -> None:
        """Hand over what comes after what was read, until cancelled.

        After an error it may be called again: it goes on behind the last batch that was taken.

        Raises:
            KafkaError: Kafka cannot be reached.
        """
        async with started(self._consumer(**self._fetching)) as consumer:
            consumer.assign(list(self._positions))
            for partition, position in self._positions.items():
                consumer.seek(partition, position)
            await forever(partial(self._poll, consumer, _FOLLOW_POLL_MS, take))

    async def _poll(self, consumer: Any, timeout_ms: int, take: Callable[[Message], Awaitable[None]]) -> int:
        """Hand over what is there and remember that it was; return how many records came."""
        batches = await consumer.getmany(timeout_ms=timeout_ms)
        for partition, records in batches.items():
            for record in records:
                await self._hand_over(record, take)
            self._positions[partition] = records[-1].offset + 1
        return sum(map(len, batches.values()))

    async def _hand_over(self, record: Any, take: Callable[[Message], Awaitable[None]]) -> None:
        try:
            await take(self._decode(record))
        except PoisonError:
            return
        except Exception as error:
            if is_passing(error) or is_fatal(error):
                raise
            note_failure(
                "message_not_taken", error, topic=record.topic, partition=record.partition, offset=record.offset
            )

    def _consumer(self, **tuning: int) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **tuning,
        )


def _by_value(topic: Topic) -> Callable[[Any], Any]:
    if topic.decoder is None:
        raise ValueError(f"{topic.name} has no decoder of its own")
    decoder = topic.decoder
    return lambda record: decoder.decode(record.value)

"""Whole topics, read to their end and then followed, on a real Kafka."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from sluice_common.bus import Producer, create_topics
from sluice_common.errors import PoisonError
from sluice_common.ids import new_id
from sluice_common.messages.base import now, to_json
from sluice_common.messages.task_events import TaskStopRequested
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import TASK_EVENTS, Topic


class Taken:
    """Notes the messages of one task."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.messages: list[Any] = []
        self.grown = asyncio.Event()

    async def take(self, message: Any) -> None:
        """Note it."""
        if message.task_id == self.task_id:
            self.messages.append(message)
            self.grown.set()


async def test_what_a_topic_holds_is_read_and_what_comes_later_follows_once(kafka: str) -> None:
    settings = CommonSettings(kafka_bootstrap=kafka)
    task_id = new_id()
    taken = Taken(task_id)
    reader: TopicReader[Any] = TopicReader(settings, TASK_EVENTS)
    first, second = (TaskStopRequested(app_id=app, occurred_at=now(), task_id=task_id) for app in ("a", "b"))
    async with started(Producer(settings)) as producer:
        await producer.publish(TASK_EVENTS, task_id, first)
        await reader.read(taken.take)
        assert taken.messages == [first]
        taken.grown.clear()
        following = asyncio.create_task(reader.follow(taken.take))
        await producer.publish(TASK_EVENTS, task_id, second)
        async with asyncio.timeout(30):
            await taken.grown.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert taken.messages == [first, second]


async def test_poison_is_passed_over_and_every_other_error_of_a_decoder_is_raised(kafka: str) -> None:
    settings, topic = CommonSettings(kafka_bootstrap=kafka), Topic(f"test-{new_id()}", None)
    await create_topics(settings, [topic])
    seen: list[bytes] = []

    def decode(record: Any) -> bytes:
        if record.value == b"poison":
            raise PoisonError("no message")
        if record.value == b"trouble":
            raise OSError("no disk")
        return bytes(record.value)

    async def take(value: bytes) -> None:
        seen.append(value)

    def reader() -> TopicReader[bytes]:
        return TopicReader(settings, topic, decode=decode, partitions=[0])

    async with started(AIOKafkaProducer(bootstrap_servers=kafka)) as raw:
        for value in (b"poison", b"good"):
            await raw.send_and_wait(topic.name, value, key=new_id().encode(), partition=0)
        await reader().read(take)
        assert seen == [b"good"]
        await raw.send_and_wait(topic.name, b"trouble", key=new_id().encode(), partition=0)
    with pytest.raises(OSError, match="no disk"):
        await reader().read(take)


async def test_what_an_open_transaction_has_written_is_not_read(kafka: str) -> None:
    settings = CommonSettings(kafka_bootstrap=kafka)
    task_id = new_id()
    taken = Taken(task_id)
    message = TaskStopRequested(app_id="a", occurred_at=now(), task_id=task_id)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"test-{task_id}")
    async with started(producer) as raw, raw.transaction():
        await raw.send_and_wait(TASK_EVENTS.name, to_json(message), key=task_id.encode(), partition=0)
        await TopicReader(settings, TASK_EVENTS).read(taken.take)
        assert taken.messages == []
    # Kafka answers a commit before its marker is in every partition.
    async with asyncio.timeout(30):
        while not taken.messages:
            await TopicReader(settings, TASK_EVENTS).read(taken.take)
    assert taken.messages == [message]

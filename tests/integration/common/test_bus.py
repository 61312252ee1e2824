"""The bus on a real Kafka: nothing that cannot be understood stops a consumer or is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber
from tests.faults.replicas.proxy import Link

from sluice_common.bus import Consumer, Producer, Received
from sluice_common.bus.admin import why_kafka_is_unreachable
from sluice_common.errors import FatalError, PoisonError
from sluice_common.ids import new_id
from sluice_common.messages.base import now, to_json
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.messages.execution_events import DeviceFirmwareChanged
from sluice_common.messages.task_events import TaskStopRequested
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEAD_LETTERS, EXECUTION_EVENTS, TASK_EVENTS
from sluice_embedded.adapters.sockets import free_base

ALMOST_A_MEBIBYTE = 1_000_000


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[None]:
    """Consume until the end of the block."""
    async with started(consumer):
        consuming = asyncio.create_task(consumer.run())
        yield
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)


async def dead_letter_of(settings: CommonSettings, value: bytes) -> DeadLetter:
    """Return the dead letter that holds a value."""
    consumer = AIOKafkaConsumer(
        DEAD_LETTERS.name, bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    async with started(consumer), asyncio.timeout(30):
        async for record in consumer:
            letter = msgspec.json.decode(record.value, type=DeadLetter)
            if letter.value == value:
                return letter
    raise AssertionError("the consumer ended")


async def test_a_large_broken_message_is_dead_lettered_whole_and_the_next_one_is_handled(kafka: str) -> None:
    settings = CommonSettings(kafka_bootstrap=kafka)
    task_id, group = new_id(), f"test-{new_id()}"
    handled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(records: Sequence[Received]) -> None:
        if any(r.message.task_id == task_id for r in records) and not handled.done():
            handled.set_result(task_id)

    rubbish = b"x" * ALMOST_A_MEBIBYTE
    raw = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=2 * ALMOST_A_MEBIBYTE)
    producer = Producer(settings)
    consumer = Consumer(settings, [TASK_EVENTS], group, handle, producer)
    async with started(raw), started(producer), running(consumer):
        await raw.send_and_wait(TASK_EVENTS.name, rubbish, key=task_id.encode(), partition=0)
        message = TaskStopRequested(app_id="a", occurred_at=now(), task_id=task_id)
        await producer.publish(TASK_EVENTS, task_id, message, partition=0)
        assert await asyncio.wait_for(handled, 30) == task_id
        letter = await dead_letter_of(settings, rubbish)
        assert (letter.source_topic, letter.partition) == (TASK_EVENTS.name, 0)


async def test_of_a_batch_with_poison_the_poison_alone_is_dead_lettered_as_it_came(kafka: str) -> None:
    settings = CommonSettings(kafka_bootstrap=kafka)
    good, poison = new_id(), new_id()
    handled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(records: Sequence[Received]) -> None:
        if any(r.message.task_id == poison for r in records):
            raise PoisonError("no rule for it")
        if any(r.message.task_id == good for r in records) and not handled.done():
            handled.set_result(good)

    producer = Producer(settings)
    consumer = Consumer(settings, [TASK_EVENTS], f"test-{new_id()}", handle, producer)
    messages = [TaskStopRequested(app_id="a", occurred_at=now(), task_id=task_id) for task_id in (poison, good)]
    async with started(producer), running(consumer):
        await producer.publish_all((TASK_EVENTS, poison, message) for message in messages)
        assert await asyncio.wait_for(handled, 30) == good
        letter = await dead_letter_of(settings, to_json(messages[0]))
        assert (letter.key, letter.reason) == (poison.encode(), "no rule for it")


async def test_partitions_that_move_in_the_middle_of_a_batch_end_no_consumer_and_lose_no_record(kafka: str) -> None:
    settings, group = CommonSettings(kafka_bootstrap=kafka), f"test-{new_id()}"
    begun, go_on, handled = asyncio.Event(), asyncio.Event(), set[str]()

    async def slow(records: Sequence[Received]) -> None:
        begun.set()
        await go_on.wait()
        handled.update(r.message.task_id for r in records)

    async def quick(records: Sequence[Received]) -> None:
        handled.update(r.message.task_id for r in records)

    async def publish(number: int) -> set[str]:
        ids = {new_id() for _ in range(number)}
        await producer.publish_all(
            (TASK_EVENTS, i, TaskStopRequested(app_id="a", occurred_at=now(), task_id=i)) for i in ids
        )
        return ids

    async def until_handled(ids: set[str]) -> None:
        async with asyncio.timeout(60):
            while not ids <= handled:
                await asyncio.sleep(0.05)

    producer = Producer(settings)
    first, second = (Consumer(settings, [TASK_EVENTS], group, handle, producer) for handle in (slow, quick))
    async with started(producer), started(first):
        before = await publish(50)
        consuming = [asyncio.create_task(first.run())]
        await begun.wait()
        async with started(second):
            consuming.append(asyncio.create_task(second.run()))
            async with asyncio.timeout(60):
                while not second._kafka.assignment():
                    await asyncio.sleep(0.05)
            go_on.set()
            await until_handled(before)
            await until_handled(await publish(50))
            assert not any(task.done() for task in consuming)
            for task in consuming:
                task.cancel()
            await asyncio.gather(*consuming, return_exceptions=True)


async def test_what_comes_after_a_busy_time_does_not_wait_for_partitions_without_news(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice_common.bus.consumer.FETCH_WAIT_MS", 60_000)
    settings = CommonSettings(kafka_bootstrap=kafka)
    ids = [new_id() for _ in range(3)]
    begun, handled = ({i: asyncio.Event() for i in ids} for _ in range(2))

    async def handle_slowly(records: Sequence[Received]) -> None:
        for events, pause in ((begun, 1.0), (handled, 0.0)):
            for record in records:
                if record.message.task_id in events:
                    events[record.message.task_id].set()
            await asyncio.sleep(pause)

    async def publish(task_id: str) -> None:
        stop = TaskStopRequested(app_id="a", occurred_at=now(), task_id=task_id)
        await producer.publish(TASK_EVENTS, task_id, stop, partition=0)

    producer = Producer(settings)
    consumer = Consumer(settings, [TASK_EVENTS], f"test-{new_id()}", handle_slowly, producer)
    async with started(producer), running(consumer), asyncio.timeout(30):
        await publish(ids[0])
        await begun[ids[0]].wait()
        await publish(ids[1])  # it waits for the handler, and the fetch after its own names all other partitions
        await handled[ids[1]].wait()
        await publish(ids[2])
        await handled[ids[2]].wait()


async def test_a_tombstone_stops_no_consumer_and_is_no_dead_letter(kafka: str) -> None:
    settings, forgotten = CommonSettings(kafka_bootstrap=kafka), new_id()
    handled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(records: Sequence[Received]) -> None:
        if any(r.message.device_id == forgotten for r in records) and not handled.done():
            handled.set_result(forgotten)

    producer = Producer(settings)
    consumer = Consumer(settings, [EXECUTION_EVENTS], f"test-{new_id()}", handle, producer)
    after = DeviceFirmwareChanged(app_id="a", occurred_at=now(), device_id=forgotten, firmware_version="1")
    async with started(producer), running(consumer):
        await producer.publish_tombstones(EXECUTION_EVENTS, [(f"t:{forgotten}", forgotten)])
        await producer.publish(EXECUTION_EVENTS, forgotten, after)
        assert await asyncio.wait_for(handled, 30) == forgotten


async def test_a_producer_whose_sequence_is_broken_is_fatal_and_not_tried_again(kafka: str) -> None:
    producer = Producer(CommonSettings(kafka_bootstrap=kafka))
    message = TaskStopRequested(app_id="a", occurred_at=now(), task_id=new_id())

    async def refuse(*_: object) -> None:
        raise OutOfOrderSequenceNumber

    async with started(producer):
        producer._kafka._sender._send_produce_req = refuse
        with pytest.raises(OutOfOrderSequenceNumber):
            await producer.publish(TASK_EVENTS, message.task_id, message)
        with pytest.raises(FatalError):
            await producer.publish(TASK_EVENTS, message.task_id, message)
        with pytest.raises(FatalError):
            await asyncio.wait_for(producer.watch(), 30)


async def test_a_producer_stops_though_kafka_does_not_answer(kafka: str) -> None:
    producer = Producer(CommonSettings(kafka_bootstrap=kafka))
    message = TaskStopRequested(app_id="a", occurred_at=now(), task_id=new_id())

    async def wait_for_ever(*_: object) -> None:
        await asyncio.Event().wait()

    await producer.start()
    producer._kafka._sender._send_produce_req = wait_for_ever
    sent = await producer.send(TASK_EVENTS, message.task_id, message)
    await asyncio.wait_for(producer.stop(), 30)
    assert not sent.done() or sent.exception() is not None
    sent.cancel()


async def test_kafka_is_unreachable_until_it_answers(kafka: str) -> None:
    port = free_base()
    settings = CommonSettings(kafka_bootstrap=f"127.0.0.1:{port}")
    assert "Unable to bootstrap" in str(await why_kafka_is_unreachable(settings))
    async with Link(int(kafka.rpartition(":")[2])).listening(port):
        assert await why_kafka_is_unreachable(settings) is None

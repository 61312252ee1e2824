"""The stage `devices` beside the transactions of the stage `cells`, on a real Kafka."""

import asyncio
import uuid
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from tests.integration.scheduler import forgetful_worker
from tests.integration.scheduler.campaign import Campaign
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import AdminClient, Producer
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.resources import started
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS

SLOWEST = 90.0
"""Seconds until everything must have happened."""
_TRANSACTIONS = 200


@pytest.mark.requirement("R072")
async def test_what_a_window_granted_in_an_aborted_transaction_is_not_read(kafka: str, workers: Workers) -> None:
    workers.start("only")
    name = uuid.uuid4().hex
    aborted, committed = f"aborted-{name}".encode(), f"committed-{name}".encode()
    async with started(AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=name)) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(DEVICE_EVENTS.name, key=name.encode(), value=aborted, partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(DEVICE_EVENTS.name, key=name.encode(), value=committed, partition=0)
    consumer = AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=kafka, auto_offset_reset="earliest")
    async with started(consumer) as letters:
        kept = []
        async with asyncio.timeout(SLOWEST):
            while committed not in kept:
                letter = msgspec.json.decode((await letters.getone()).value, type=DeadLetter)
                kept.append(letter.value)
    assert aborted not in kept


async def test_messages_of_many_transactions_are_committed_as_soon_as_they_are_done(
    kafka: str, workers: Workers
) -> None:
    workers.start("only")
    name = uuid.uuid4().hex
    async with started(AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=name)) as producer:
        for number in range(_TRANSACTIONS):
            async with producer.transaction():
                value = f"{name}-{number}".encode()
                await producer.send_and_wait(DEVICE_EVENTS.name, key=name.encode(), value=value, partition=1)
    partition = TopicPartition(DEVICE_EVENTS.name, 1)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    async with started(consumer), started(AdminClient(bootstrap_servers=kafka)) as admin:
        (end,) = (await consumer.end_offsets([partition])).values()
        async with asyncio.timeout(_TRANSACTIONS / 4):  # one a second was committed
            while await _committed(admin, partition) < end - 1:  # the last offset is the end of a transaction
                await asyncio.sleep(0.5)


@pytest.mark.requirement("R143")
async def test_an_event_that_faust_drops_ends_the_worker_and_is_decided_on_by_its_successor(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign = Campaign(kafka, producer, 60)
    async with campaign.going():
        forgetful = workers.start("first", program=Path(forgetful_worker.__file__))
        await campaign.request()
        assert await asyncio.to_thread(forgetful.wait, SLOWEST) == 1
        assert "SkippedEventError" in workers.log("first").read_text()
        workers.start("second")
        await campaign.until_ended(60)
    assert campaign.ended == campaign.expected


async def _committed(admin: AdminClient, partition: TopicPartition) -> int:
    committed = await admin.list_consumer_group_offsets("sluice-devices", partitions=[partition])
    return int(committed[partition].offset)

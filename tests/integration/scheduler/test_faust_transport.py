"""The stage `devices` beside the transactions of the stage `cells`, on a real Kafka."""

import asyncio
import uuid

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.integration.scheduler.workers import Workers

from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.resources import started
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS

SLOWEST = 90.0
"""Seconds until everything must have happened."""


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

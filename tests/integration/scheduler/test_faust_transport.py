"""The stage `devices` beside the transactions of the stage `cells`, on a real Kafka."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS

SLOWEST = 90.0
"""Seconds until everything must have happened."""


@pytest.fixture
def devices(kafka: str, tmp_path: Path) -> Iterator[None]:
    settings = {"SLUICE_KAFKA_BOOTSTRAP": kafka, "SLUICE_DEVICES_DATA_DIR": str(tmp_path / "data")}
    with (tmp_path / "devices.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sluice_scheduler.entrypoints.devices"],
            env={**os.environ, **settings},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    yield
    process.terminate()
    process.wait(SLOWEST)


@pytest.mark.requirement("R072")
async def test_what_a_window_granted_in_an_aborted_transaction_is_not_heard(kafka: str, devices: None) -> None:
    del devices
    name = uuid.uuid4().hex
    aborted, committed = f"aborted-{name}".encode(), f"committed-{name}".encode()
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=name) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(DEVICE_EVENTS.name, key=name.encode(), value=aborted, partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(DEVICE_EVENTS.name, key=name.encode(), value=committed, partition=0)
    async with AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=kafka, auto_offset_reset="earliest") as letters:
        kept = []
        async with asyncio.timeout(SLOWEST):
            while committed not in kept:
                letter = msgspec.json.decode((await letters.getone()).value, type=DeadLetter)
                kept.append(letter.value)
    assert aborted not in kept

"""What cannot be handled ends one event, what is out of order ends the process: the stage `devices` on a real Kafka.

Poison goes to `dead-letters`, is acknowledged and stops nothing; after trouble nothing is lost.
"""

import asyncio
import sys
from collections.abc import Callable

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.integration.scheduler.campaign import SLOWEST, Campaign, commanded, uplink
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import Producer
from sluice_common.ids import new_id
from sluice_common.messages.base import to_json
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.messages.lwm2m_commands import Write
from sluice_common.resources import started
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS, MAX_MESSAGE_BYTES
from sluice_rules.devices.device import Device, DeviceCommand
from sluice_scheduler.adapters.devices import records

FULL_AT = 256 * 1024
"""Bytes beyond which no file of a worker grows whose disk is full; RocksDB needs some to begin at all."""


async def letters_until(kafka: str, enough: Callable[[list[DeadLetter]], bool]) -> list[DeadLetter]:
    """Read dead letters until there are enough of them."""
    found: list[DeadLetter] = []
    letters = AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=kafka, auto_offset_reset="earliest")
    async with started(letters), asyncio.timeout(SLOWEST):
        while not enough(found):
            found.append(msgspec.json.decode((await letters.getone()).value, type=DeadLetter))
    return found


async def dead_letters(kafka: str, producer: Producer, device_ids: set[str]) -> list[DeadLetter]:
    """Return all dead letters of devices, once one that is made after them is there."""
    mark = new_id()
    await producer.publish(DEVICE_EVENTS, mark, commanded("another device", ""))
    letters = await letters_until(kafka, lambda found: bool(of(mark, found)))
    return [letter for device_id in device_ids for letter in of(device_id, letters)]


async def until(true: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(SLOWEST):
        while not true():
            await asyncio.sleep(0.05)


def of(device_id: str, letters: list[DeadLetter]) -> list[DeadLetter]:
    return [letter for letter in letters if letter.key == device_id.encode()]


async def test_what_is_no_message_becomes_a_dead_letter_and_stops_nothing(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign = Campaign(kafka, producer, 3)
    rubbish = [
        b"",
        b"\xff",
        b"{}",
        b'{"type":"no_such_thing"}',
        f'{{"type":"device_uplink","x":"{new_id()}"}}'.encode(),
    ]
    workers.start("only")
    async with started(AIOKafkaProducer(bootstrap_servers=kafka)) as sender:
        for value in rubbish:
            await sender.send_and_wait(DEVICE_EVENTS.name, key=b"nobody", value=value, partition=3)
    async with campaign.going():
        await campaign.request()
        await campaign.until_ended(3)
    await letters_until(kafka, lambda letters: {letter.value for letter in letters} >= set(rubbish))


async def test_events_whose_record_or_effect_is_too_large_become_dead_letters_and_stop_nothing(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign, hoarder, awake = Campaign(kafka, producer, 3), new_id(), new_id()
    workers.start("only")
    for _ in range(40):
        await producer.send(DEVICE_EVENTS, hoarder, commanded(hoarder, "x" * 40_000))
    await producer.send(DEVICE_EVENTS, awake, uplink(awake, epoch=10**15))
    room = MAX_MESSAGE_BYTES - len(to_json(commanded(awake, "")))
    await producer.send(DEVICE_EVENTS, awake, commanded(awake, "x" * room))
    async with campaign.going():
        await campaign.request()
        await campaign.until_ended(3)
    letters = await letters_until(kafka, lambda found: bool(of(hoarder, found) and of(awake, found)))
    assert "record of" in of(hoarder, letters)[0].reason
    assert "message of" in of(awake, letters)[0].reason


@pytest.mark.skipif(sys.platform != "linux", reason="limits the files of a process that runs")
async def test_a_full_disk_ends_the_worker_with_1_and_the_next_one_loses_no_execution(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign, hoarder = Campaign(kafka, producer, 20), new_id()
    full = workers.start("full")
    await until(lambda: workers.is_ready("full"))
    workers.fill_disk(full, FULL_AT)
    for _ in range(20):
        await producer.send(DEVICE_EVENTS, hoarder, commanded(hoarder, "x" * 40_000))
    async with campaign.going():
        await campaign.request()
        await until(lambda: full.poll() is not None)
        workers.start("roomy")
        await campaign.until_ended(20)
    assert full.returncode == 1
    assert "IO error" in workers.log("full").read_text()
    assert campaign.ended == campaign.expected
    assert not await dead_letters(kafka, producer, {hoarder, *campaign.device_ids}), "trouble makes no dead letters"


@pytest.mark.skipif(sys.platform != "linux", reason="limits the files of a process that runs")
async def test_a_disk_that_is_full_while_records_are_recovered_ends_the_worker_with_1(
    kafka: str, workers: Workers
) -> None:
    first = workers.start("first")
    await until(lambda: workers.is_ready("first"))
    first.kill()
    hoarded = DeviceCommand(
        command_id="c", app_id="app", request=Write(path="/3/0/14", value="x" * 800_000), expires_at=1.0, deadline=1.0
    )
    record = records.encode(Device(device_id=new_id(), commands=(hoarded,)))
    async with started(AIOKafkaProducer(bootstrap_servers=kafka)) as sender:
        await sender.send_and_wait(records.CHANGELOG, key=b"hoarder", value=record, partition=3)
    full = workers.start("full")
    workers.fill_disk(full, FULL_AT)
    await until(lambda: full.poll() is not None)
    assert full.returncode == 1
    assert not workers.is_ready("full")


@pytest.mark.requirement("R143")
async def test_sigterm_ends_a_worker_with_0(workers: Workers) -> None:
    worker = workers.start("only")
    await until(lambda: workers.is_ready("only"))
    worker.terminate()
    await until(lambda: worker.poll() is not None)
    assert worker.returncode == 0

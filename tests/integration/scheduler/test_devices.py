"""The stage `devices` as a process on a real Kafka: killed in mid-campaign, and fed what is no message."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.integration.scheduler.reading import messages

from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages import codec
from sluice_common.messages.base import now, utc
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeviceCommandRequested,
    DeviceEvent,
    DeviceUplink,
    ExecutionRequested,
    OutcomeStatus,
    RequestResult,
    UplinkKind,
)
from sluice_common.messages.execution_events import ExecutionChanged
from sluice_common.messages.lwm2m_commands import DeviceRequests, Write
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS, EXECUTION_EVENTS, LWM2M_COMMANDS

GATEWAY = 0
VERSION = "2.0"
SLOWEST = 100.0
"""Seconds until everything must have happened, take-over included."""
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(kafka: str, tmp_path: Path) -> Iterator[Start]:
    """Start a worker with records in a folder of its own; all end with the test."""
    workers: list[subprocess.Popen[bytes]] = []

    def begin(name: str) -> "subprocess.Popen[bytes]":
        settings = {
            "SLUICE_KAFKA_BOOTSTRAP": kafka,
            "SLUICE_DEVICES_DATA_DIR": str(tmp_path / name),
            "SLUICE_DEVICES_SESSION_TIMEOUT": "6",
            "SLUICE_READY_FILE": str(tmp_path / f"{name}.ready"),
        }
        with (tmp_path / f"{name}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "sluice_scheduler.entrypoints.devices"],
                env={**os.environ, **settings},
                cwd=tmp_path,
                stdout=log,
                stderr=log,
            )
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait(SLOWEST)


@pytest_asyncio.fixture
async def producer(kafka: str) -> AsyncIterator[Producer]:
    sender = Producer(CommonSettings(kafka_bootstrap=kafka))
    await sender.start()
    yield sender
    await sender.stop()


class Campaign:
    """Devices that run the target version already, and the gateway that answers for them."""

    def __init__(self, kafka: str, producer: Producer, devices: int) -> None:
        self._kafka = kafka
        self._producer = producer
        self.device_ids = [new_id() for _ in range(devices)]
        self.task_id = new_id()
        self.snapshots: dict[tuple[str, int], list[ExecutionChanged]] = {}

    @property
    def expected(self) -> set[str]:
        """Ids of all executions."""
        return {execution_id(self.task_id, device_id) for device_id in self.device_ids}

    @property
    def ended(self) -> set[str]:
        """Ids of the executions that have ended."""
        return {name for (name, _), copies in self.snapshots.items() if copies[0].status.is_final}

    async def request(self) -> None:
        """Register every device and request its upgrade; they begin one after the other, within five seconds."""
        for number, device_id in enumerate(self.device_ids):
            waiting = 5.0 * number / len(self.device_ids)
            await self._producer.send(DEVICE_EVENTS, device_id, uplink(device_id))
            await self._producer.send(DEVICE_EVENTS, device_id, requested(self.task_id, device_id, waiting))

    async def answer(self) -> None:
        """Answer commands until cancelled."""
        async with self._reader(LWM2M_COMMANDS.name) as commands:
            async for _, command in messages(commands, codec.LWM2M_COMMANDS):
                if isinstance(command, DeviceRequests) and command.device_id in self.device_ids:
                    await self._producer.send(DEVICE_EVENTS, command.device_id, answered(command))

    async def watch(self) -> None:
        """Read snapshots until cancelled."""
        async with self._reader(EXECUTION_EVENTS.name) as events:
            async for _, event in messages(events, codec.EXECUTION_EVENTS):
                if isinstance(event, ExecutionChanged) and event.task_id == self.task_id:
                    self.snapshots.setdefault((event.execution_id, event.version), []).append(event)

    async def until_ended(self, count: int) -> None:
        """Return when so many executions have ended."""
        async with asyncio.timeout(SLOWEST):
            while len(self.ended) < count:
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Answer and watch meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self.answer()), tasks.create_task(self.watch())]
            yield
            for task in running:
                task.cancel()

    def _reader(self, topic: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(topic, bootstrap_servers=self._kafka, auto_offset_reset="earliest")


def uplink(device_id: str) -> DeviceEvent:
    return DeviceUplink(
        app_id="app",
        occurred_at=now(),
        device_id=device_id,
        kind=UplinkKind.REGISTER,
        gateway=GATEWAY,
        epoch=1,
        awake_until=utc(time.time() + 3600),
    )


def requested(task_id: str, device_id: str, waiting: float) -> DeviceEvent:
    return ExecutionRequested(
        app_id="app",
        occurred_at=now(),
        device_id=device_id,
        execution_id=execution_id(task_id, device_id),
        task_id=task_id,
        product=ProductSnapshot(product_id="p"),
        package=PackageSnapshot(package_id="k", version=VERSION, image_id="i", image_size=1, image_sha256="ab"),
        policy=UpgradePolicy(waiting=waiting),
        created_at=now(),
    )


def answered(command: DeviceRequests) -> DeviceEvent:
    return CommandOutcome(
        app_id="app",
        occurred_at=now(),
        device_id=command.device_id,
        command_id=command.command_id,
        execution_id=command.execution_id,
        attempt=command.attempt,
        status=OutcomeStatus.DONE,
        results=(RequestResult(path="/3/0/3", code="2.05", values={"/3/0/3": VERSION}),),
    )


@pytest.mark.requirement("R063", "R064", "R143")
async def test_a_killed_worker_loses_no_execution_and_ends_none_twice(
    kafka: str, producer: Producer, start: Start
) -> None:
    campaign = Campaign(kafka, producer, 300)
    async with campaign.going():
        first = start("first")
        await campaign.request()
        await campaign.until_ended(40)
        first.kill()
        first.wait(SLOWEST)
        assert len(campaign.ended) < 300
        start("second")
        await campaign.until_ended(300)
    assert campaign.ended == campaign.expected
    for copies in campaign.snapshots.values():
        assert all(copy == copies[0] for copy in copies)
    for name in campaign.expected:
        newest = max(version for known, version in campaign.snapshots if known == name)
        assert campaign.snapshots[name, newest][0].status.value == "SUCCEEDED"


async def test_what_is_no_message_becomes_a_dead_letter_and_stops_nothing(
    kafka: str, producer: Producer, start: Start
) -> None:
    campaign = Campaign(kafka, producer, 3)
    rubbish = [
        b"",
        b"\xff",
        b"{}",
        b'{"type":"no_such_thing"}',
        f'{{"type":"device_uplink","x":"{new_id()}"}}'.encode(),
    ]
    start("only")
    async with AIOKafkaProducer(bootstrap_servers=kafka) as sender:
        for value in rubbish:
            await sender.send_and_wait(DEVICE_EVENTS.name, key=b"nobody", value=value, partition=3)
    async with campaign.going():
        await campaign.request()
        await campaign.until_ended(3)
    async with AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=kafka, auto_offset_reset="earliest") as letters:
        found: set[bytes | None] = set()
        async with asyncio.timeout(SLOWEST):
            while not found >= set(rubbish):
                letter = msgspec.json.decode((await letters.getone()).value, type=DeadLetter)
                found.add(letter.value)


async def test_an_event_that_makes_a_record_too_large_becomes_a_dead_letter_and_stops_nothing(
    kafka: str, producer: Producer, start: Start
) -> None:
    campaign, device_id = Campaign(kafka, producer, 3), new_id()
    start("only")
    for _ in range(40):
        await producer.send(DEVICE_EVENTS, device_id, commanded(device_id, "x" * 40_000))
    async with campaign.going():
        await campaign.request()
        await campaign.until_ended(3)
    async with AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=kafka, auto_offset_reset="earliest") as letters:
        async with asyncio.timeout(SLOWEST):
            letter = msgspec.json.decode((await letters.getone()).value, type=DeadLetter)
            while letter.key != device_id.encode():
                letter = msgspec.json.decode((await letters.getone()).value, type=DeadLetter)
    assert "record" in letter.reason


def commanded(device_id: str, value: str) -> DeviceEvent:
    return DeviceCommandRequested(
        app_id="app",
        occurred_at=now(),
        device_id=device_id,
        command_id=new_id(),
        request=Write(path="/3/0/14", value=value),
        expires_at=utc(time.time() + 3600),
    )

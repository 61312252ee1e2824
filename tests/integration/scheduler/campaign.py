"""Devices that run the target version already, seen from Kafka."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer
from tests.integration.scheduler.reading import messages

from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages import codec
from sluice_common.messages.base import now, utc
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
from sluice_common.resources import started
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS, LWM2M_COMMANDS

GATEWAY = 0
VERSION = "2.0"
SLOWEST = 100.0
"""Seconds until everything must have happened, take-over included."""


_ALL = slice(None)


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

    def requests_of(self, device_id: str) -> int:
        """Return how many requests of a device's upgrade have led to an execution: each has a time of its own."""
        name = execution_id(self.task_id, device_id)
        return len(
            {copy.created_at for (known, _), copies in self.snapshots.items() if known == name for copy in copies}
        )

    async def request(self, within: float = 5.0, part: slice = _ALL) -> None:
        """Register every device and request its upgrade; they begin one after the other, within so many seconds.

        Args:
            within: Seconds.
            part: Which of the devices.
        """
        device_ids = self.device_ids[part]
        for number, device_id in enumerate(device_ids):
            waiting = within * number / len(device_ids)
            await self._producer.send(DEVICE_EVENTS, device_id, uplink(device_id))
            await self._producer.send(DEVICE_EVENTS, device_id, requested(self.task_id, device_id, waiting))

    async def answer(self) -> None:
        """Answer commands until cancelled."""
        async with started(self._reader(LWM2M_COMMANDS.name)) as commands:
            async for _, command in messages(commands, codec.LWM2M_COMMANDS):
                if isinstance(command, DeviceRequests) and command.device_id in self.device_ids:
                    await self._producer.send(DEVICE_EVENTS, command.device_id, answered(command))

    async def watch(self) -> None:
        """Read snapshots until cancelled."""
        async with started(self._reader(EXECUTION_EVENTS.name)) as events:
            async for _, event in messages(events, codec.EXECUTION_EVENTS):
                if isinstance(event, ExecutionChanged) and event.task_id == self.task_id:
                    self.snapshots.setdefault((event.execution_id, event.version), []).append(event)

    async def until_ended(self, count: int) -> None:
        """Return when so many executions have ended."""
        async with asyncio.timeout(SLOWEST):
            while len(self.ended) < count:  # noqa: ASYNC110 - Kafka is waited for
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


def uplink(device_id: str, epoch: int = 1) -> DeviceEvent:
    """Return that a device registers and is awake for an hour."""
    return DeviceUplink(
        app_id="app",
        occurred_at=now(),
        device_id=device_id,
        kind=UplinkKind.REGISTER,
        gateway=GATEWAY,
        epoch=epoch,
        awake_until=utc(time.time() + 3600),
    )


def requested(task_id: str, device_id: str, waiting: float) -> DeviceEvent:
    """Return that a task wants a device upgraded."""
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
    """Return that a device runs the target version."""
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


def commanded(device_id: str, value: str) -> DeviceEvent:
    """Return that an app server writes a value to a device."""
    return DeviceCommandRequested(
        app_id="app",
        occurred_at=now(),
        device_id=device_id,
        command_id=new_id(),
        request=Write(path="/3/0/14", value=value),
        expires_at=utc(time.time() + 3600),
    )

"""The rest of the platform: sends commands as the scheduler does, reads what the gateway publishes."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.integration.lwm2m.coap_device import Device

from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.codec import DEVICE_EVENTS as DEVICE_EVENTS_DECODER
from sluice_common.messages.codec import REGISTRATIONS as REGISTRATIONS_DECODER
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequest, DeviceRequests
from sluice_common.messages.registrations import Registration
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS, LWM2M_COMMANDS, REGISTRATIONS

EVENT_DEADLINE = 30.0
APP = "app-1"


class Platform:
    """The rest of the platform: sends commands, reads what the gateway publishes."""

    def __init__(self, settings: CommonSettings) -> None:
        self.producer = Producer(settings)
        self._partitions = settings.partitions
        self._consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
        self._events: list[Any] = []
        self._dead: list[DeadLetter] = []
        self._task: asyncio.Task[None] | None = None
        self.task_id = new_id()

    async def start(self) -> None:
        """Connect, at the end of the topics."""
        await self.producer.start()
        await self._consumer.start()
        topics = (DEVICE_EVENTS, REGISTRATIONS, DEAD_LETTERS)
        self._consumer.assign([TopicPartition(t.name, n) for t in topics for n in range(self._partitions)])
        await self._consumer.seek_to_end()
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()
        await self.producer.stop()

    async def _read(self) -> None:
        async for record in self._consumer:
            if record.topic == DEAD_LETTERS.name:
                self._dead.append(msgspec.json.decode(record.value, type=DeadLetter))
                continue
            registration = record.topic == REGISTRATIONS.name
            decoder = REGISTRATIONS_DECODER if registration else DEVICE_EVENTS_DECODER
            self._events.append(decoder.decode(record.value))

    async def dead_letter(self, source_topic: str) -> DeadLetter:
        """Return the newest dead letter of a topic."""
        async with asyncio.timeout(EVENT_DEADLINE):
            while True:
                if found := [d for d in self._dead if d.source_topic == source_topic]:
                    return found[-1]
                await asyncio.sleep(0.01)

    def events(self, device: Device, kind: Any = object) -> list[Any]:
        """Return what has been published of a device so far."""
        return [e for e in self._events if e.device_id == device.device_id and isinstance(e, kind)]

    def registration(self, device: Device) -> Registration:
        """Return a device's newest registration in Kafka."""
        record: Registration = self.events(device, Registration)[-1]
        return record

    def execution(self, device: Device) -> str:
        """Return the id of the device's execution."""
        return execution_id(self.task_id, device.device_id)

    async def wait_for(self, device: Device, event: Any, /, count: int = 1, **expected: object) -> Any:
        """Return the `count`-th event of a kind with these fields; fails when it does not come."""
        async with asyncio.timeout(EVENT_DEADLINE):
            while True:
                found = [e for e in self.events(device, event) if all(getattr(e, k) == v for k, v in expected.items())]
                if len(found) >= count:
                    return found[count - 1]
                await asyncio.sleep(0.01)

    async def command(
        self, device: Device, *requests: DeviceRequest, attempt: int = 1, seconds: float = 30.0, **changes: Any
    ) -> DeviceRequests:
        """Send requests to a device as the scheduler does."""
        uplink: DeviceUplink = self.events(device, DeviceUplink)[-1]
        fields: dict[str, Any] = {
            "app_id": APP,
            "occurred_at": now(),
            "device_id": device.device_id,
            "command_id": new_id(),
            "execution_id": self.execution(device),
            "attempt": attempt,
            "epoch": uplink.epoch,
            "expires_at": now() + timedelta(seconds=seconds),
            "requests": requests,
        }
        command = DeviceRequests(**{**fields, **changes})
        await self.send(device, command)
        return command

    async def send(self, device: Device, command: DeviceRequests | CloseDownload) -> None:
        """Publish a command to the gateway that owns the device."""
        await self.producer.publish(LWM2M_COMMANDS, command.device_id, command, partition=device.gateway.ordinal)

    async def ask(self, device: Device, *requests: DeviceRequest, **changes: Any) -> CommandOutcome:
        """Send requests to a device and return the outcome."""
        command = await self.command(device, *requests, **changes)
        return await self.outcome(device, command)

    async def outcome(self, device: Device, command: DeviceRequests | CloseDownload) -> CommandOutcome:
        """Return the outcome of a command."""
        outcome: CommandOutcome = await self.wait_for(device, CommandOutcome, command_id=command.command_id)
        return outcome

    async def close(self, device: Device, attempt: int = 1) -> CommandOutcome:
        """Fence an attempt and return the outcome."""
        command = CloseDownload(
            app_id=APP,
            occurred_at=now(),
            device_id=device.device_id,
            command_id=new_id(),
            execution_id=self.execution(device),
            attempt=attempt,
        )
        await self.send(device, command)
        return await self.outcome(device, command)

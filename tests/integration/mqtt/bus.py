"""Kafka, from the tests' side."""

import asyncio
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.integration.mqtt.mqtt_device import Device
from tests.integration.mqtt.system import System
from tests.integration.mqtt.waiting import until

from sluice_common.bus import Producer
from sluice_common.messages.codec import DEVICE_EVENTS as DECODER
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.topics import DEVICE_EVENTS, MQTT_COMMANDS

T = TypeVar("T")


class Bus:
    """Commands in, events out."""

    def __init__(self, system: System) -> None:
        self._producer = Producer(system.settings)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=system.settings.kafka_bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        self._partitions = [TopicPartition(DEVICE_EVENTS.name, n) for n in range(system.settings.partitions)]
        self._events: list[Any] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _read(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=200)
            self._events += [DECODER.decode(record.value) for batch in batches.values() for record in batch]

    async def command(self, command: MqttCommand) -> None:
        """Send a command."""
        await self._producer.publish(MQTT_COMMANDS, command.device_id, command)

    def of(self, device: Device, kind: type[T]) -> list[T]:
        """Return the events of a device of one kind."""
        return [e for e in self._events if e.device_id == device.device_id and isinstance(e, kind)]

    async def wait(self, device: Device, kind: type[T], number: int = 1) -> list[T]:
        """Return a device's events of a kind, once there are enough."""

        async def enough() -> list[T] | None:
            found = self.of(device, kind)
            return found if len(found) >= number else None

        return await until(enough)

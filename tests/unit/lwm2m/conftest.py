"""What several tests of the gateway put in the place of Kafka and MongoDB."""

import asyncio
from typing import Any

from sluice_common.bus import Producer
from sluice_common.topics import Topic
from sluice_lwm2m.adapters.device_directory import DeviceDirectory, KnownDevice


class Kafka(Producer):
    """Takes messages when the gate is open."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, topic: Topic, key: str, message: Any, **_: Any) -> None:
        """Keep a message."""
        assert key == message.device_id
        assert topic.name in {"device-events", "registrations"}
        await self.gate.wait()
        self.messages.append(message)

    def of(self, kind: type) -> list[Any]:
        """Return the messages of a kind."""
        return [message for message in self.messages if isinstance(message, kind)]


class Directory(DeviceDirectory):
    """Knows every endpoint: its device is called like it."""

    def __init__(self) -> None:
        pass

    async def find(self, endpoint: str) -> KnownDevice | None:
        """Return the device."""
        return KnownDevice(endpoint, "a")

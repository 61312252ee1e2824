"""Fakes of what the application talks to."""  # noqa: INP001 - test folders are no packages

import asyncio
from collections.abc import Iterable, Sequence
from typing import cast

from sluice_common.messages.base import Message
from sluice_mqtt.adapters.dead_letters import DeadLetters
from sluice_mqtt.adapters.device_events import DeviceEvents
from sluice_mqtt.adapters.devices import Devices, KnownDevice


class FakeEvents:
    """Notes what is published."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.waits: list[float] = []

    async def publish(self, _device_id: str, events: Sequence[Message]) -> None:
        """Note it, after the next of the waits (seconds)."""
        await asyncio.sleep(self.waits.pop() if self.waits else 0.0)
        self.published += events

    @property
    def real(self) -> DeviceEvents:
        """Itself, as what it stands for."""
        return cast("DeviceEvents", self)


class FakeDeadLetters:
    """Notes what is buried."""

    def __init__(self) -> None:
        self.buried: list[tuple[str, bytes, str]] = []

    async def dead_letter(self, topic: str, payload: bytes, reason: str) -> None:
        """Note it."""
        self.buried.append((topic, payload, reason))

    @property
    def real(self) -> DeadLetters:
        """Itself, as what it stands for."""
        return cast("DeadLetters", self)


class FakeDevices:
    """Devices by id, with their secrets."""

    def __init__(self, **secrets: bytes | None) -> None:
        self.secrets = secrets
        self.stale: dict[str, bytes | None] = {}
        self.failure: Exception | None = None

    async def find(self, device_id: str) -> KnownDevice | None:
        """Return the device."""
        if self.failure is not None:
            raise self.failure
        known = device_id in self.secrets
        return KnownDevice(device_id, "app", self.secrets[device_id]) if known else None

    async def find_unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that there are not."""
        return {device_id for device_id in device_ids if await self.find(device_id) is None}

    async def find_secret(self, device_id: str) -> bytes | None:
        """Return its secret, or an older one that was kept."""
        return self.stale[device_id] if device_id in self.stale else await self.find_secret_anew(device_id)

    async def find_secret_anew(self, device_id: str) -> bytes | None:
        """Return its secret."""
        device = await self.find(device_id)
        return None if device is None else device.secret

    @property
    def real(self) -> Devices:
        """Itself, as what it stands for."""
        return cast("Devices", self)

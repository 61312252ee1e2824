"""What the stage `devices` needs from outside, in memory."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sluice_common.errors import PoisonError
from sluice_common.messages.base import to_json
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.topics import DEVICE_EVENTS, Topic
from sluice_rules.devices.device import Device
from sluice_scheduler.application.devices.ports import ChangedRecord, InputRecord


@dataclass
class FakeRecord:
    """A record of `device-events`."""

    offset: int
    key: bytes | None
    value: bytes | None
    partition: int = 0
    topic: str = DEVICE_EVENTS.name


@dataclass
class FakeEvent:
    """An event that knows whether it was acknowledged."""

    message: FakeRecord
    acknowledged: bool = False

    def ack(self) -> None:
        """Note it."""
        self.acknowledged = True


def event(offset: int, message: DeviceEvent) -> FakeEvent:
    """Return a message as an event of its device."""
    return FakeEvent(FakeRecord(offset, message.device_id.encode(), to_json(message)))


@dataclass
class FakeRecords:
    """Records in a dictionary.

    Attributes:
        stored: By device id.
        full: The disk is.
        unreadable: Devices whose stored bytes are no record.
    """

    stored: dict[str, Device] = field(default_factory=dict)
    full: bool = False
    unreadable: set[str] = field(default_factory=set)
    forgotten: int = 0

    def get(self, partition: int, device_id: str) -> Device | None:  # noqa: ARG002 - all are in one
        """Return what is stored."""
        if device_id in self.unreadable:
            raise PoisonError("no record")
        return self.stored.get(device_id)

    def encode(self, device: Device) -> bytes:
        """Return a record's bytes."""
        return msgspec.msgpack.encode(device)

    async def store(self, changed: Sequence[ChangedRecord]) -> None:
        """Store, if there is room."""
        if self.full:
            raise OSError("no space left on device")
        for record in changed:
            if record.device is None:
                self.stored.pop(record.device_id, None)
            else:
                self.stored[record.device_id] = record.device

    def forget(self) -> None:
        """Count it."""
        self.forgotten += 1

    def owned(self, partitions: Iterable[int]) -> Iterable[tuple[int, Device]]:
        """Return all, in every partition."""
        return [(partition, device) for partition in partitions for device in self.stored.values()]


@dataclass
class FakeProducer:
    """Keeps what is sent.

    Attributes:
        sent: Topic, key, partition and value of each message.
        letters: Record and reason of each dead letter.
        broken: Kafka cannot be reached.
    """

    sent: list[tuple[str, str, int, bytes]] = field(default_factory=list)
    letters: list[tuple[InputRecord, str]] = field(default_factory=list)
    broken: bool = False

    async def send(self, topic: Topic, key: str, message: Any, *, partition: int) -> Awaitable[Any]:
        """Keep a message."""
        if self.broken:
            raise ConnectionError("no broker")
        self.sent.append((topic.name, key, partition, to_json(message)))
        return asyncio.sleep(0)

    async def send_tombstone(self, topic: Topic, key: str, *, partition: int) -> Awaitable[Any]:
        """Keep it as a message without a value."""
        self.sent.append((topic.name, key, partition, b""))
        return asyncio.sleep(0)

    async def dead_letter(self, record: InputRecord, reason: str) -> None:
        """Keep a dead letter."""
        if self.broken:
            raise ConnectionError("no broker")
        self.letters.append((record, reason))

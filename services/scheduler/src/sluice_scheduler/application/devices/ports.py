"""What the stage `devices` needs from outside: events, records, and somebody who sends.

Errors follow one rule: `PoisonError` means that bytes can never be handled, anything else is trouble and ends the
process.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sluice_common.topics import Topic
from sluice_rules.devices.device import Device


class InputRecord(Protocol):
    """A record of `device-events`."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: Any


class Event(Protocol):
    """A record that is acknowledged once it is done."""

    @property
    def message(self) -> InputRecord:
        """The record."""

    def ack(self) -> object:
        """Let it not be read again."""


class ChangedRecord(NamedTuple):
    """A device's record that a batch has changed.

    Attributes:
        partition: Where the device's events come from.
        device_id: The device.
        device: The record; None if it is no more.
        value: Its bytes; None, a tombstone, if it is no more.
    """

    partition: int
    device_id: str
    device: Device | None
    value: bytes | None


class RecordStore(Protocol):
    """The records of the devices of all owned partitions."""

    def get(self, partition: int, device_id: str) -> Device | None:
        """Return the record of a device, None if there is none.

        Raises:
            PoisonError: What is stored is no record.
        """

    def encode(self, device: Device) -> bytes:
        """Return the bytes of a record."""

    async def store(self, changed: Sequence[ChangedRecord]) -> None:
        """Store records: in the changelog first, then here, so that nothing is here that a recovery would not find."""

    def forget(self) -> None:
        """Drop what is held in memory: another worker may have written since."""

    def owned(self, partitions: Iterable[int]) -> Iterable[tuple[int, Device]]:
        """Return (partition, record) of all devices of partitions."""


class Producer(Protocol):
    """Sends to Kafka."""

    async def send(self, topic: Topic, key: str, message: Any, *, partition: int) -> Awaitable[Any]:
        """Hand a message over; what is returned is done when Kafka has it."""

    async def send_tombstone(self, topic: Topic, key: str, *, partition: int) -> Awaitable[Any]:
        """Have a compacted topic forget a key; what is returned is done when Kafka has it."""

    async def dead_letter(self, record: InputRecord, reason: str) -> None:
        """Put a record into `dead-letters` and wait until Kafka has it."""


class Progress(Protocol):
    """How far this worker has come."""

    async def waiting(self) -> Mapping[str, int]:
        """Return where each owned partition stands that has more to read, and its commit if it has more to commit."""

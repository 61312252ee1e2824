"""The records of the stage `devices`: a Faust table on RocksDB.

The stage writes the changelog itself, because the order matters: first the outputs are in Kafka, then the changelog,
then RocksDB, then the input is acknowledged. A record names the last event that it contains, so an output that was lost
behind a stored record would never be made again.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import faust
import msgspec
from faust.types import TP

from sluice_common.topics import Topic
from sluice_rules.devices.device import Device
from sluice_scheduler.adapters.devices import records
from sluice_scheduler.application.devices.ports import ChangedRecord, Producer

_CACHED = 20_000


class ChangelogEvent(Protocol):
    """A record of the changelog, as Faust hands it over."""

    @property
    def message(self) -> Any:
        """Its key, value, partition and offset."""


Changed = TypeVar("Changed", bound=ChangelogEvent)


class NewerWinsTable(faust.Table[bytes, bytes]):
    """A table that keeps the record with the higher offset when its changelog is applied.

    A worker that was stalled for longer than its session may write late what its successor has long overtaken.
    """

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Apply events of the changelog, newer records over older ones only.

        Raises:
            Exception: What RocksDB raises. It ends the worker: Faust would try to recover for ever.
        """
        try:
            super().apply_changelog_batch(list(self._newer(batch)))
        except Exception as error:
            self.add_future(self.app.crash(error))
            raise

    def _newer(self, batch: Iterable[Changed]) -> Iterator[Changed]:
        best: dict[bytes, int] = {}
        store: Any = self.data
        for event in batch:
            message: Any = event.message
            if message.key not in best:
                stored = store._db_for_partition(message.partition).get(message.key)  # noqa: SLF001 - the only way
                best[message.key] = records.offset_of(stored or b"")
            # A deleted device has no offset: its tombstone counts, and so would whatever came after it.
            offset = records.offset_of(message.value or b"")
            if message.value is None or offset >= best[message.key]:
                best[message.key] = offset
                yield event


class FaustRecords:
    """Decoded records over the table, by device id.

    Errors of RocksDB are raised as they are: they are trouble, and end the process.

    Args:
        table: The table; keys and values are bytes.
        producer: Writes the changelog.
    """

    def __init__(self, table: NewerWinsTable, producer: Producer) -> None:
        self._table = table
        self._producer = producer
        self._decoded: dict[str, Device] = {}

    def get(self, partition: int, device_id: str) -> Device | None:
        """Return the record of a device, None if there is none.

        Raises:
            BrokenRecordError: What is stored is no record.
        """
        device = self._decoded.get(device_id)
        if device is None:
            stored = self._database(partition).get(device_id.encode())
            if stored is None:
                return None
            device = records.decode(stored)
            self._remember(device)
        return device

    def encode(self, device: Device) -> bytes:
        """Return the bytes of a record."""
        return records.encode(device)

    async def store(self, changed: Sequence[ChangedRecord]) -> None:
        """Store records: in the changelog first, then in RocksDB."""
        changelog = Topic(str(self._table.changelog_topic.get_topic_name()), None)
        stored = await asyncio.gather(*[await self._send(changelog, record) for record in changed])
        for record, metadata in zip(changed, stored, strict=True):
            self._put(record)
            self._table.data.set_persisted_offset(TP(changelog.name, record.partition), metadata.offset)

    async def _send(self, changelog: Topic, record: ChangedRecord) -> Awaitable[Any]:
        if record.value is None:
            return await self._producer.send_tombstone(changelog, record.device_id, partition=record.partition)
        value = msgspec.Raw(record.value)
        return await self._producer.send(changelog, record.device_id, value, partition=record.partition)

    def _put(self, record: ChangedRecord) -> None:
        key, database = record.device_id.encode(), self._database(record.partition)
        if record.device is None:
            database.delete(key)
            self._decoded.pop(record.device_id, None)
        else:
            database.put(key, record.value)
            self._remember(record.device)

    def forget(self) -> None:
        """Drop what is decoded: another worker may have written since."""
        self._decoded.clear()

    def owned(self, partitions: Iterable[int]) -> Iterator[tuple[int, Device]]:
        """Yield (partition, record) of all devices of partitions."""
        store: Any = self._table.data
        for partition in partitions:
            for key, value in self._database(partition).items():
                if key != store.offset_key:
                    yield partition, records.decode(value)

    def _remember(self, device: Device) -> None:
        self._decoded.pop(device.device_id, None)
        self._decoded[device.device_id] = device
        if len(self._decoded) > _CACHED:
            del self._decoded[next(iter(self._decoded))]

    def _database(self, partition: int) -> Any:
        """Return the RocksDB of a partition; Faust's table would look for it by the event that Faust processes."""
        store: Any = self._table.data
        return store._db_for_partition(partition)  # noqa: SLF001 - the only way

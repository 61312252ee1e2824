"""The records of the stage `devices`: a Faust table on RocksDB, written after everything that follows from it.

The stage writes the changelog itself, because the order matters: first the outputs are in Kafka, then the changelog,
then RocksDB, then the input is acknowledged. A record tells which event it has seen last, so an output that was lost
behind a stored record would never be made again.
"""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import faust
from faust.streams import _current_event
from faust.types import TP
from faust.types.events import EventT

from sluice_rules.devices.device import Device
from sluice_scheduler.adapters.devices import records

_CACHED = 20_000
Event = EventT[Any]


class NewerWinsTable(faust.Table[bytes, bytes]):
    """A table that keeps the record with the higher offset when its changelog is applied.

    A worker that was stalled for longer than its session may write late what its successor has long overtaken.
    """

    def apply_changelog_batch(self, batch: Iterable[Event]) -> None:
        """Apply events of the changelog, newer records over older ones only."""
        super().apply_changelog_batch(list(self._newer(batch)))

    def _newer(self, batch: Iterable[Event]) -> Iterator[Event]:
        best: dict[bytes, int] = {}
        store: Any = self.data
        for event in batch:
            message: Any = event.message
            if message.key not in best:
                stored = store._db_for_partition(message.partition).get(message.key)  # noqa: SLF001 - the only way
                best[message.key] = records.offset_of(stored or b"")
            offset = records.offset_of(message.value or b"")
            if offset >= best[message.key]:
                best[message.key] = offset
                yield event


class Records:
    """Decoded records over the table, by device id.

    Args:
        table: The table; keys and values are bytes.
    """

    def __init__(self, table: NewerWinsTable) -> None:
        self._table = table
        self._decoded: dict[str, Device] = {}

    @property
    def changelog(self) -> str:
        """Name of the changelog topic."""
        return str(self._table.changelog_topic.get_topic_name())

    def get(self, event: Event, device_id: str) -> Device | None:
        """Return the record of a device whose event is being processed."""
        device = self._decoded.get(device_id)
        if device is None:
            self._at(event)
            stored = self._table.data.get(device_id.encode())
            if stored is None:
                return None
            device = records.decode(stored)
            self._remember(device)
        return device

    def put(self, event: Event, device: Device, value: bytes) -> None:
        """Store a record whose changelog entry is in Kafka."""
        self._at(event)
        self._table.data[device.device_id.encode()] = value
        self._remember(device)

    def stored_up_to(self, partition: int, offset: int) -> None:
        """Note the offset in the changelog from which a recovery goes on."""
        self._table.data.set_persisted_offset(TP(self.changelog, partition), offset)

    def forget(self) -> None:
        """Drop what is decoded: another worker may have written since."""
        self._decoded.clear()

    def owned(self, partitions: Iterable[int]) -> Iterator[tuple[int, Device]]:
        """Yield (partition, record) of all devices of partitions."""
        store: Any = self._table.data
        for partition in partitions:
            database = store._db_for_partition(partition)  # noqa: SLF001 - items() tells no partition
            for key, value in database.items():
                if key != store.offset_key:
                    yield partition, records.decode(value)

    def _remember(self, device: Device) -> None:
        self._decoded.pop(device.device_id, None)
        self._decoded[device.device_id] = device
        if len(self._decoded) > _CACHED:
            del self._decoded[next(iter(self._decoded))]

    @staticmethod
    def _at(event: Event) -> None:
        """Tell the store which partition is meant; Faust itself only does so for one event at a time."""
        _current_event.set(weakref.ref(event))

"""The changelog of the stage `cells`: each holder and each waiter is one entry of a compacted topic.

Keys are JSON arrays (window and ticket), values the entry, none for a tombstone; `applied` holds the offset of the
last request of `cell-requests` that is contained. Leaves out how entries are written: `shard_log` does that, in
the same transaction as what follows from the requests.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from sluice_common.messages.base import Value, to_json
from sluice_common.messages.slots import CoverageClass, WindowKey
from sluice_common.settings import CommonSettings
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import CELL_WINDOWS
from sluice_rules.cells.window import Entry, Ticket
from sluice_scheduler.application.cells.ports import NOTHING_APPLIED, StoredPartition

APPLIED_KEY = b'"applied"'
"""Key of the entry whose value is the offset of the last request that the changelog contains."""


class _EntryKey(Value, frozen=True, kw_only=True, array_like=True):
    network: str
    cell_id: int
    coverage_class: CoverageClass
    execution_id: str
    attempt: int


_KEYS = msgspec.json.Decoder(_EntryKey)
_VALUES: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def apply_entry(stored: StoredPartition, key: bytes, value: bytes | None) -> None:
    """Take a record of the changelog in.

    Raises:
        msgspec.DecodeError: No entry of this stage. Nothing may be granted then: a holder may be unknown.
    """
    if key == APPLIED_KEY:
        stored.applied = NOTHING_APPLIED if value is None else int(value)
        return
    window, ticket = _parts(_KEYS.decode(key))
    if value is None:
        stored.windows[window].pop(ticket, None)
    else:
        stored.windows[window][ticket] = _VALUES.decode(value)


def entry_key(window: WindowKey, ticket: Ticket) -> bytes:
    """Return the record key of a ticket's entry."""
    execution_id, attempt = ticket
    return to_json(
        _EntryKey(
            network=window.network,
            cell_id=window.cell_id,
            coverage_class=window.coverage_class,
            execution_id=execution_id,
            attempt=attempt,
        )
    )


def entry_value(entry: Entry | None) -> bytes | None:
    """Return the record value of an entry; None, a tombstone, for one that is gone."""
    return None if entry is None else to_json(entry)


class KafkaChangelog:
    """The changelog's topic.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings

    async def read(self, partitions: Collection[int]) -> dict[int, StoredPartition]:
        """Return what is committed, up to the end of each partition.

        To be called when the partition's producer has started: that has ended what its predecessor had under way, so
        that the end is final.

        Raises:
            KafkaError: Kafka cannot be reached.
            msgspec.DecodeError: As of `apply_entry`.
        """
        stored = {partition: StoredPartition() for partition in partitions}

        async def take(record: Any) -> None:
            apply_entry(stored[record.partition], record.key, record.value)

        await TopicReader(self._settings, CELL_WINDOWS, decode=lambda record: record, partitions=partitions).read(take)
        return stored


def _parts(key: _EntryKey) -> tuple[WindowKey, Ticket]:
    window = WindowKey(network=key.network, cell_id=key.cell_id, coverage_class=key.coverage_class)
    return window, (key.execution_id, key.attempt)

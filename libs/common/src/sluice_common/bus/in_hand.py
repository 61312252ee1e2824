"""What a consumer of a group has fetched and not committed."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from sluice_common.bus.handling import Received


class InHand:
    """The records that a handler has left for later, and up to where each partition is done.

    It is of one assignment: after a rebalance all partitions are read again from what is committed on.

    Attributes:
        begins: Where to begin anew if all of this fails, by partition.
        left: What has been fetched, decoded and not handled, in the order in which the handler has left it.
    """

    def __init__(self) -> None:
        self.begins: dict[TopicPartition, int] = {}
        self.left: Sequence[Received] = ()
        self._ends: dict[TopicPartition, int] = {}

    @property
    def span(self) -> int:
        """Return how many records are not committed, with those handled behind the first that was left."""
        return sum(end - self.begins[partition] for partition, end in self._ends.items())

    def take(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Note that records have been fetched."""
        for partition, batch in batches.items():
            self.begins.setdefault(partition, batch[0].offset)
            self._ends[partition] = batch[-1].offset + 1

    def done(self, left: Sequence[Received]) -> Mapping[TopicPartition, int]:
        """Return the offsets to commit once all but some has been handled: those of the first that are left."""
        return self._ends | _firsts(left)

    def leave(self, left: Sequence[Received]) -> None:
        """Note that all but some has been handled."""
        self.left, self.begins = left, _firsts(left)
        self._ends = {partition: end for partition, end in self._ends.items() if partition in self.begins}


def _firsts(records: Sequence[Received]) -> dict[TopicPartition, int]:
    """Return the lowest offset of each partition."""
    firsts: dict[TopicPartition, int] = {}
    for record in records:
        partition = TopicPartition(record.topic, record.partition)
        firsts[partition] = min(record.offset, firsts.get(partition, record.offset))
    return firsts

"""What the stage `cells` needs from outside: requests, the windows that are stored, and who commits what follows.

Errors follow one rule: `PoisonError` means that a request can never be handled, anything else is trouble and ends the
process. A stored window that cannot be read is trouble: a holder may be unknown, so that nothing may be granted.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sluice_common.messages.slots import WindowKey
from sluice_common.topics import Topic
from sluice_rules.cells.admit import WindowEvent
from sluice_rules.cells.window import Entry, Ticket

NOTHING_APPLIED = -1


class RequestRecord(Protocol):
    """A record of `cell-requests`."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: Any


@dataclass
class StoredPartition:
    """What is stored of the windows of one partition.

    Attributes:
        applied: Offset of the last request that is contained.
        windows: The entries of each window.
    """

    applied: int = NOTHING_APPLIED
    windows: defaultdict[WindowKey, dict[Ticket, Entry]] = field(default_factory=lambda: defaultdict(dict))


@dataclass
class Transaction:
    """What follows from the requests of one batch; it is stored and sent all together or not at all.

    Attributes:
        applied: Offset of the last request of each partition.
        changes: Entries of windows that have changed, None for those gone; of one that changed twice the last.
        events: Grants and probes.
        poison: Requests that cannot be handled, and why.
    """

    applied: dict[int, int] = field(default_factory=dict)
    changes: dict[tuple[WindowKey, Ticket], Entry | None] = field(default_factory=dict)
    events: list[WindowEvent] = field(default_factory=list)
    poison: list[tuple[RequestRecord, str]] = field(default_factory=list)


class ShardLog(Protocol):
    """The one writer of a shard's windows."""

    async def start(self) -> None:
        """Fence the last writer and abort what it had under way."""

    async def stop(self) -> None:
        """Disconnect."""

    async def commit(self, transaction: Transaction) -> None:
        """Store and send all of it, or nothing."""


class Changelog(Protocol):
    """The windows that are stored."""

    async def read(self, partitions: Collection[int]) -> Mapping[int, StoredPartition]:
        """Return what is committed of each partition; to be called when their new writer has started."""


class Requests(Protocol):
    """The requests of the partitions that this process is given."""

    @property
    def assigned(self) -> Collection[int]:
        """Return the partitions that are to be served."""

    async def fetch(self) -> Mapping[int, Sequence[RequestRecord]]:
        """Return the next requests of each partition; waits a while for them."""

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Return where each partition ends."""

    def seek(self, partition: int, offset: int) -> None:
        """Go on reading there."""


class Producer(Protocol):
    """Sends to Kafka."""

    async def publish(self, topic: Topic, key: str, message: Any) -> None:
        """Send a message and wait until Kafka has it."""

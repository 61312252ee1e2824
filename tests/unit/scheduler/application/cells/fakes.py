"""What the stage `cells` needs from outside, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice_common.messages.base import to_json, utc
from sluice_common.messages.cell_requests import CellRequest, SlotAsk, SlotReturn
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.topics import CELL_REQUESTS, Topic
from sluice_scheduler.application.cells.ports import RequestRecord, StoredPartition, Transaction

KEY = WindowKey(network="default", cell_id=7, coverage_class=CoverageClass.LEVEL_0)
NOW = 1_800_000_000.0


@dataclass
class FakeRecord:
    """A record of `cell-requests`."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = b"key"
    topic: str = CELL_REQUESTS.name


@dataclass
class FakeLog:
    """Keeps what is committed.

    Attributes:
        committed: All transactions.
        broken: Kafka does not take them.
        events: What was done, in order.
    """

    committed: list[Transaction] = field(default_factory=list)
    broken: bool = False
    events: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Note it."""
        self.events.append("started")

    async def stop(self) -> None:
        """Note it."""
        self.events.append("stopped")

    async def commit(self, transaction: Transaction) -> None:
        """Keep a transaction."""
        if self.broken:
            raise ConnectionError("fenced")
        self.committed.append(transaction)


@dataclass
class FakeChangelog:
    """Stored windows, by partition."""

    stored: dict[int, StoredPartition] = field(default_factory=dict)
    reads: list[Collection[int]] = field(default_factory=list)

    async def read(self, partitions: Collection[int]) -> Mapping[int, StoredPartition]:
        """Return what is stored."""
        self.reads.append(partitions)
        return {partition: self.stored.get(partition, StoredPartition()) for partition in partitions}


@dataclass
class FakeRequests:
    """Requests, batch by batch."""

    assigned: Collection[int] = ()
    batches: list[Mapping[int, Sequence[RequestRecord]]] = field(default_factory=list)
    end: int = 1_000
    positions: dict[int, int] = field(default_factory=dict)

    async def fetch(self) -> Mapping[int, Sequence[RequestRecord]]:
        """Return the next batch."""
        return self.batches.pop(0) if self.batches else {}

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Return where all partitions end."""
        return dict.fromkeys(partitions, self.end)

    def seek(self, partition: int, offset: int) -> None:
        """Note where reading goes on."""
        self.positions[partition] = offset


@dataclass
class FakeProducer:
    """Keeps what is published, unless it is broken."""

    broken: bool = False
    published: list[tuple[str, str, Any]] = field(default_factory=list)

    async def publish(self, topic: Topic, key: str, message: Any) -> None:
        """Keep a message."""
        if self.broken:
            raise ConnectionError
        self.published.append((topic.name, key, message))


def ask(execution: str, key: WindowKey = KEY, at: float = NOW) -> CellRequest:
    """Return that a device which is awake for an hour asks for a slot."""
    return SlotAsk(
        app_id="app",
        occurred_at=utc(at),
        device_id=f"device-of-{execution}",
        window=key,
        grant=Grant(execution_id=execution, attempt=1, ask_no=1),
        awake_until=utc(at + 3600),
    )


def returned(execution: str, key: WindowKey = KEY) -> CellRequest:
    """Return that a device does not need its slot any more."""
    grant = Grant(execution_id=execution, attempt=1, ask_no=1)
    return SlotReturn(app_id="app", occurred_at=utc(NOW), device_id="device", window=key, grant=grant)


def record(partition: int, offset: int, request: CellRequest) -> FakeRecord:
    """Return a request as a record."""
    return FakeRecord(partition, offset, to_json(request))

"""One shard of the stage `cells` on a real Kafka: what its transactions make visible, and to whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalOperation, ProducerFenced

from sluice_common.messages.base import now, to_json, utc
from sluice_common.messages.cell_requests import SlotAsk, SlotReturn
from sluice_common.messages.device_events import SlotGranted
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.partitions import partition_for
from sluice_common.resources import started
from sluice_common.topics import CELL_REQUESTS, DEAD_LETTERS, DEVICE_EVENTS
from sluice_rules.cells.window import Holder, Waiter
from sluice_scheduler.adapters.cells.changelog import KafkaChangelog
from sluice_scheduler.adapters.cells.shard_log import KafkaShardLog
from sluice_scheduler.application.cells.ports import StoredPartition
from sluice_scheduler.application.cells.shard import Shard as CellsShard
from sluice_scheduler.settings import CellsSettings

SHARD = 0
MARKERS_WRITTEN = 60.0
"""Seconds after which the markers of a transaction are certainly written."""
LIMIT = 2


@dataclass
class Record:
    """What a consumer would hand over."""

    partition: int
    offset: int
    value: bytes
    topic: str = CELL_REQUESTS.name
    key: bytes | None = b"key"


class Shard:
    """A shard that owns the partition of one cell, with short words for what it is given."""

    def __init__(self, kafka: str, network: str) -> None:
        self.settings = CellsSettings(kafka_bootstrap=kafka, window_limit_level_0=LIMIT, cell_shards=97)
        self.key = WindowKey(network=network, cell_id=1, coverage_class=CoverageClass.LEVEL_0)
        self.partition = partition_for(self.key.cell_key, self.settings.partitions)
        self.watched: list[Holder] = []
        self.shard = self.another()

    def another(self) -> CellsShard:
        return CellsShard(
            [self.partition],
            KafkaShardLog(SHARD, self.settings),
            self.settings.rules_of,
            lambda _, holder: self.watched.append(holder),
            all_partitions=self.settings.partitions,
            commit_deadline=self.settings.commit_deadline,
        )

    async def stored(self) -> StoredPartition:
        return (await KafkaChangelog(self.settings).read([self.partition]))[self.partition]

    async def restored(self, end: int) -> CellsShard:
        shard = self.another()
        await shard.start()
        shard.restore({self.partition: await self.stored()}, {self.partition: end})
        return shard

    def ask(self, offset: int, execution: str, awake_for: float = 1e4) -> Record:
        request = SlotAsk(
            app_id="app",
            occurred_at=now(),
            device_id=f"device-of-{execution}",
            window=self.key,
            grant=Grant(execution_id=execution, attempt=1, ask_no=1),
            awake_until=utc(now().timestamp() + awake_for),
        )
        return Record(self.partition, offset, to_json(request))

    def release(self, offset: int, execution: str) -> Record:
        grant = Grant(execution_id=execution, attempt=1, ask_no=1)
        request = SlotReturn(app_id="app", occurred_at=now(), device_id="device", window=self.key, grant=grant)
        return Record(self.partition, offset, to_json(request))


@pytest.fixture
async def shard(kafka: str, request: pytest.FixtureRequest) -> AsyncIterator[Shard]:
    made = Shard(kafka, request.node.name)
    async with started(made.shard):
        yield made


Committed = Callable[[str], Awaitable[list[Any]]]


@pytest.fixture
async def committed(kafka: str) -> AsyncIterator[Committed]:
    """What readers of committed records see in a topic that was written after the test began."""
    consumer = AIOKafkaConsumer(
        DEVICE_EVENTS.name, DEAD_LETTERS.name, bootstrap_servers=kafka, isolation_level="read_committed"
    )
    everything = AIOKafkaConsumer(bootstrap_servers=kafka)
    async with started(consumer), started(everything):
        partitions = consumer.assignment()
        starts = await consumer.end_offsets(partitions)

        async def read(topic: str) -> list[Any]:
            # A commit is acknowledged before its markers are written: until then what is committed ends too early.
            async with asyncio.timeout(MARKERS_WRITTEN):
                while (ends := await consumer.end_offsets(partitions)) != await everything.end_offsets(partitions):
                    await asyncio.sleep(0.05)
            for tp, start in starts.items():
                consumer.seek(tp, start)
            found: list[Any] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                batches = await consumer.getmany(timeout_ms=100)
                found += [r for tp, records in batches.items() if tp.topic == topic for r in records]
            return found

        yield read


def granted(records: list[Any]) -> list[str]:
    events = [DEVICE_EVENTS.decoder.decode(record.value) for record in records if DEVICE_EVENTS.decoder]
    return sorted(event.grant.execution_id for event in events if isinstance(event, SlotGranted))


@pytest.mark.requirement("R067", "R072", "R073")
async def test_grants_reach_the_partition_of_their_device_and_the_rest_waits(
    shard: Shard, committed: Committed
) -> None:
    await shard.shard.apply({shard.partition: [shard.ask(n, f"e{n}") for n in range(4)]})
    records = await committed(DEVICE_EVENTS.name)
    assert granted(records) == ["e0", "e1"]
    assert {r.partition for r in records} == {partition_for(r.key.decode(), 12) for r in records}
    assert sorted(holder.grant.execution_id for holder in shard.watched) == ["e0", "e1"]


async def test_requests_applied_before_are_skipped(shard: Shard, committed: Committed) -> None:
    batch = {shard.partition: [shard.ask(0, "e0"), shard.release(1, "e0")]}
    await shard.shard.apply(batch)
    await shard.shard.apply(batch)
    assert granted(await committed(DEVICE_EVENTS.name)) == ["e0"]


async def test_whoever_takes_over_restores_every_holder_and_waiter(shard: Shard, committed: Committed) -> None:
    await shard.shard.apply({shard.partition: [shard.ask(n, f"e{n}") for n in range(5)]})
    await shard.shard.apply({shard.partition: [shard.release(5, "e0"), shard.release(6, "e3")]})
    heir = await shard.restored(end=7)
    try:
        stored = await shard.stored()
        entries = stored.windows[shard.key].values()
        assert sorted(e.grant.execution_id for e in entries if isinstance(e, Holder)) == ["e1", "e2"]
        assert [e.execution_id for e in entries if isinstance(e, Waiter)] == ["e4"]
        assert heir.applied == {shard.partition: 6}
        await heir.apply({shard.partition: [shard.release(7, "e1")]})
        assert granted(await committed(DEVICE_EVENTS.name)) == ["e0", "e1", "e2", "e4"]
    finally:
        await heir.stop()


async def test_a_zombie_is_fenced_and_nothing_of_it_is_seen(shard: Shard, committed: Committed) -> None:
    heir = await shard.restored(end=0)
    try:
        await heir.apply({shard.partition: [shard.ask(0, "of-the-heir")]})
        with pytest.raises((ProducerFenced, IllegalOperation)):  # the latter if it learns it between two batches
            await shard.shard.apply({shard.partition: [shard.ask(0, "of-the-zombie")]})
        await heir.apply({shard.partition: [shard.ask(1, "second")]})
        assert granted(await committed(DEVICE_EVENTS.name)) == ["of-the-heir", "second"]
    finally:
        await heir.stop()


async def test_requests_that_kafka_has_lost_are_not_waited_for(shard: Shard, committed: Committed) -> None:
    await shard.shard.apply({shard.partition: [shard.ask(90, "e0")]})
    heir = await shard.restored(end=5)
    try:
        await heir.apply({shard.partition: [shard.ask(5, "e1")]})
        assert granted(await committed(DEVICE_EVENTS.name)) == ["e0", "e1"]
    finally:
        await heir.stop()


async def test_what_is_broken_becomes_a_dead_letter_and_stops_nothing(shard: Shard, committed: Committed) -> None:
    elsewhere = next(
        key
        for n in range(100)
        if partition_for((key := WindowKey(**{**_fields(shard.key), "cell_id": n})).cell_key, 12) != shard.partition
    )
    foreign = SlotReturn(
        app_id="app",
        occurred_at=now(),
        device_id="device",
        window=elsewhere,
        grant=Grant(execution_id="e", attempt=1, ask_no=1),
    )
    broken = [b"", b"no json", b'{"type":"unknown"}', b"\xff" * 900_000, to_json(foreign)]
    records = [Record(shard.partition, offset, value) for offset, value in enumerate(broken)]
    await shard.shard.apply({shard.partition: [*records, shard.ask(len(broken), "e0")]})
    assert len(await committed(DEAD_LETTERS.name)) == len(broken)
    assert granted(await committed(DEVICE_EVENTS.name)) == ["e0"]


async def test_more_than_one_record_batch_fits_into_a_transaction(shard: Shard, committed: Committed) -> None:
    await shard.shard.apply({shard.partition: [shard.ask(n, f"{n:05}" + "x" * 1000) for n in range(2000)]})
    assert len(granted(await committed(DEVICE_EVENTS.name))) == LIMIT
    assert len((await shard.stored()).windows[shard.key]) == 2000


def _fields(key: WindowKey) -> dict[str, Any]:
    return {"network": key.network, "cell_id": key.cell_id, "coverage_class": key.coverage_class}

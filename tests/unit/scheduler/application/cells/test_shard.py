"""What a batch of requests commits: poison harms one request, trouble ends the process."""

from collections.abc import Sequence

import pytest
from tests.unit.scheduler.application.cells.fakes import KEY, NOW, FakeLog, FakeRecord, ask, record, returned

from sluice_common.messages.base import to_json
from sluice_common.messages.slots import CoverageClass, WindowKey
from sluice_common.partitions import partition_for
from sluice_rules.cells.window import Entry, Holder, Ticket, Waiter, WindowRules
from sluice_scheduler.application.cells.ports import StoredPartition
from sluice_scheduler.application.cells.shard import MAX_REQUEST_BYTES, Shard

PARTITIONS = 12
PARTITION = partition_for(KEY.cell_key, PARTITIONS)
LATE = NOW + 1_000


class Margin(float):
    """A margin that the rules cannot add to late times."""

    def __radd__(self, other: float) -> float:
        if other >= LATE:
            raise ArithmeticError("too late")
        return other + float(self)


class World:
    """A shard of one partition whose windows have two slots."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.watched: list[str] = []
        rules = WindowRules(limit=2, begin_margin=Margin(2.0), probe_interval=60.0)
        self.shard = Shard(
            [PARTITION],
            self.log,
            lambda _: rules,
            lambda _, holder: self.watched.append(holder.grant.execution_id),
            all_partitions=PARTITIONS,
            commit_deadline=5.0,
        )

    async def apply(self, *records: FakeRecord) -> None:
        await self.shard.apply({PARTITION: records})

    @property
    def granted(self) -> list[str]:
        return [event.grant.execution_id for t in self.log.committed for event in t.events]

    @property
    def dead(self) -> list[int]:
        return [record.offset for t in self.log.committed for record, _ in t.poison]


@pytest.fixture
def world() -> World:
    return World()


def asks(executions: Sequence[str], first: int = 0) -> list[FakeRecord]:
    return [record(PARTITION, first + number, ask(name)) for number, name in enumerate(executions)]


async def test_a_batch_is_one_transaction_of_grants_changes_and_the_offset(world: World) -> None:
    await world.apply(*asks(["e0", "e1", "e2"]))
    (transaction,) = world.log.committed
    assert world.granted == ["e0", "e1"]
    kinds = {ticket[0]: type(entry) for (_, ticket), entry in transaction.changes.items()}
    assert kinds == {"e0": Holder, "e1": Holder, "e2": Waiter}
    assert transaction.applied == world.shard.applied == {PARTITION: 2}
    assert world.watched == ["e0", "e1"]


async def test_requests_that_were_applied_are_skipped_and_nothing_is_committed_for_them(world: World) -> None:
    batch = asks(["e0", "e1"])
    await world.apply(*batch)
    await world.apply(*batch)
    assert len(world.log.committed) == 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"no json",
        b'{"type":"unknown"}',
        to_json(ask("e", WindowKey(network="default", cell_id=8, coverage_class=CoverageClass.LEVEL_0))),
        to_json(ask("e" * MAX_REQUEST_BYTES)),
    ],
    ids=["empty", "no JSON", "unknown", "of another partition", "too large"],
)
async def test_what_is_no_request_of_the_partition_is_dead_lettered_and_the_others_go_on(
    value: bytes, world: World
) -> None:
    await world.apply(FakeRecord(PARTITION, 0, value), record(PARTITION, 1, ask("e1")))
    assert world.dead == [0]
    assert world.granted == ["e1"]
    assert world.shard.applied == {PARTITION: 1}


async def test_a_request_that_the_rules_cannot_bear_is_dead_lettered_and_leaves_the_window_as_it_was(
    world: World,
) -> None:
    await world.apply(*asks(["e0"]))
    await world.apply(record(PARTITION, 1, ask("unbearable", at=LATE)), *asks(["e2", "e3"], first=2))
    assert world.dead == [1]
    assert world.granted == ["e0", "e2"]
    changed = {ticket[0] for _, ticket in world.log.committed[-1].changes}
    assert changed == {"e2", "e3"}
    await world.apply(record(PARTITION, 4, returned("e0")))
    assert world.granted == ["e0", "e2", "e3"]


async def test_trouble_ends_the_shard_and_nothing_counts_as_applied(world: World) -> None:
    world.log.broken = True
    with pytest.raises(ConnectionError):
        await world.apply(*asks(["e0"]))
    assert world.shard.applied == {PARTITION: -1}
    assert world.watched == []


async def test_a_restored_shard_goes_on_behind_what_it_contains_and_watches_its_holders(world: World) -> None:
    await world.apply(*asks(["e0", "e1", "e2"]))
    entries: dict[Ticket, Entry] = {
        ticket: entry for (_, ticket), entry in world.log.committed[0].changes.items() if entry is not None
    }
    heir = World()
    stored = StoredPartition(2)
    stored.windows[KEY] = entries
    heir.shard.restore({PARTITION: stored}, {PARTITION: 3})
    assert sorted(heir.watched) == ["e0", "e1"]
    await heir.apply(record(PARTITION, 2, returned("e0")), record(PARTITION, 3, returned("e1")))
    assert heir.granted == ["e2"]


async def test_requests_that_kafka_has_lost_are_not_waited_for(world: World) -> None:
    world.shard.restore({PARTITION: StoredPartition(90)}, {PARTITION: 5})
    await world.apply(*asks(["e0"], first=5))
    assert world.granted == ["e0"]

"""A shard is served from its restoring to its revocation, and read on behind what it has applied."""

import asyncio
from collections.abc import Collection

import pytest
from tests.unit.scheduler.application.cells.fakes import (
    KEY,
    FakeChangelog,
    FakeLog,
    FakeRequests,
    ask,
    record,
)

from sluice_common.partitions import partition_for
from sluice_rules.cells.window import Holder, WindowRules
from sluice_scheduler.application.cells.ports import StoredPartition
from sluice_scheduler.application.cells.shard import Shard
from sluice_scheduler.application.cells.stage import CellsStage

PARTITIONS = 12
SHARDS = 4
PARTITION = partition_for(KEY.cell_key, PARTITIONS)
RULES = WindowRules(limit=1, begin_margin=2.0, probe_interval=60.0)


class World:
    """A stage whose consumer is given partitions."""

    def __init__(self) -> None:
        self.requests = FakeRequests()
        self.changelog = FakeChangelog()
        self.logs: dict[int, FakeLog] = {}
        self.holders: list[Holder] = []
        self.stage = CellsStage(
            self.requests,
            self.changelog,
            self.new_shard,
            partitions=PARTITIONS,
            shards=SHARDS,
            round_interval=0.0,
            restore_deadline=5.0,
        )

    def new_shard(self, number: int, partitions: Collection[int]) -> Shard:
        self.logs[number] = FakeLog()
        return Shard(
            partitions,
            self.logs[number],
            lambda _: RULES,
            lambda _, holder: self.holders.append(holder),
            all_partitions=PARTITIONS,
            commit_deadline=5.0,
        )

    async def serve(self) -> None:
        """Serve until all requests are applied."""
        serving = asyncio.create_task(self.stage.run())
        while self.requests.batches:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    @property
    def granted(self) -> list[str]:
        return [e.grant.execution_id for log in self.logs.values() for t in log.committed for e in t.events]


@pytest.fixture
def world() -> World:
    return World()


async def test_the_shards_of_assigned_partitions_are_restored_and_read_on_behind_what_they_contain(
    world: World,
) -> None:
    world.requests.assigned = [0, 4, 8, 1]
    world.changelog.stored = {4: StoredPartition(41)}
    await world.stage.take_over()
    assert sorted(world.logs) == [0, 1]
    assert all(log.events == ["started"] for log in world.logs.values())
    assert world.requests.positions == {0: 0, 4: 42, 8: 0, 1: 0}


async def test_a_shard_that_is_owned_is_not_restored_again(world: World) -> None:
    world.requests.assigned = [0, 4, 8]
    await world.stage.take_over()
    await world.stage.take_over()
    assert len(world.changelog.reads) == 1


async def test_requests_of_an_owned_shard_are_applied_and_those_of_others_left_alone(world: World) -> None:
    world.requests.assigned = [PARTITION]
    other = next(number for number in range(PARTITIONS) if number % SHARDS != PARTITION % SHARDS)
    world.requests.batches = [{PARTITION: [record(PARTITION, 0, ask("e"))], other: [record(other, 0, ask("foreign"))]}]
    await world.serve()
    assert world.granted == ["e"]


async def test_a_revoked_shard_is_stopped_and_holds_nothing_any_more(world: World) -> None:
    world.requests.assigned = [PARTITION]
    world.requests.batches = [{PARTITION: [record(PARTITION, 0, ask("e"))]}]
    await world.serve()
    (holder,) = world.holders
    assert world.stage.is_held(KEY, holder)
    world.requests.assigned = []
    await world.stage.give_up()
    assert not world.stage.is_held(KEY, holder)
    assert [log.events for log in world.logs.values()] == [["started", "stopped"]]


async def test_a_shard_that_cannot_commit_ends_the_stage(world: World) -> None:
    world.requests.assigned = [PARTITION]
    await world.stage.take_over()
    world.logs[PARTITION % SHARDS].broken = True
    world.requests.batches = [{PARTITION: [record(PARTITION, 0, ask("e"))]}]
    with pytest.raises(ExceptionGroup) as failed:
        await world.stage.run()
    assert isinstance(failed.value.exceptions[0], ConnectionError)

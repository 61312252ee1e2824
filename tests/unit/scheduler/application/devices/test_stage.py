"""Events are gathered for one batch at a time, and forgotten when their partition goes to another worker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest
from tests.unit.scheduler.application.devices.fakes import FakeEvent, FakeProducer, FakeRecord, FakeRecords

from sluice_common.messages.lwm2m_commands import Read
from sluice_rules.devices.device import Device, DeviceCommand
from sluice_rules.devices.rules import Rules
from sluice_scheduler.application.devices.batches import BatchProcessor
from sluice_scheduler.application.devices.deadlines import Deadlines
from sluice_scheduler.application.devices.ports import Event
from sluice_scheduler.application.devices.stage import DevicesStage

WAITING = Device(
    device_id="d",
    commands=(
        DeviceCommand(command_id="c", app_id="app", request=Read(path="/3/0/0"), expires_at=100.0, deadline=100.0),
    ),
)


class GatedBatches(BatchProcessor):
    """Notes each batch and holds it until the gate is open."""

    def __init__(self, records: FakeRecords, deadlines: Deadlines) -> None:
        super().__init__(records, FakeProducer(), deadlines, Rules(), partitions=1, max_seconds=60.0)
        self.begun: list[list[int]] = []
        self.gate = asyncio.Event()

    async def process(self, batch: Sequence[Event]) -> None:
        self.begun.append([event.message.offset for event in batch])
        await self.gate.wait()


class World:
    """A stage with room for two events in a batch."""

    def __init__(self, max_seconds: float = 60.0) -> None:
        self.records = FakeRecords({"d": WAITING})
        self.deadlines = Deadlines()
        self.batches = GatedBatches(self.records, self.deadlines)
        self.stage = DevicesStage(
            self.batches, self.records, self.deadlines, max_batch=2, gather=0.0, max_seconds=max_seconds
        )
        self.read: list[int] = []

    async def events(self, count: int) -> AsyncIterator[FakeEvent]:
        for offset in range(count):
            self.read.append(offset)
            yield FakeEvent(FakeRecord(offset, b"d", b""))


async def settle() -> None:
    """Let every task go on as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    task = asyncio.create_task(made.stage.run())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_events_wait_for_the_batch_before_them_and_no_more_are_read_than_fit_into_the_next_one(
    world: World,
) -> None:
    taking = asyncio.create_task(world.stage.take(world.events(9)))
    await settle()
    assert world.batches.begun == [[0, 1]]
    assert world.read == [0, 1, 2, 3]
    world.batches.gate.set()
    await taking
    await settle()
    assert [offset for batch in world.batches.begun for offset in batch] == list(range(9))
    assert max(len(batch) for batch in world.batches.begun) == 2


async def test_a_worker_that_loses_partitions_ends_its_batch_and_forgets_records_deadlines_and_waiting_events(
    world: World,
) -> None:
    world.stage.take_over({0})
    await world.stage.take(world.events(1))
    await settle()
    await world.stage.take(world.events(1))
    giving_up = asyncio.create_task(world.stage.give_up())
    await settle()
    assert not giving_up.done(), "a batch is under way"
    world.batches.gate.set()
    await giving_up
    await settle()
    assert [batch for batch in world.batches.begun if batch] == [[0]]
    assert world.deadlines.take_due(1e9) == []


async def test_a_worker_that_gets_partitions_follows_the_deadlines_of_their_records(world: World) -> None:
    world.stage.take_over({4})
    assert [(partition, message.subject) for partition, message in world.deadlines.take_due(100.0)] == [(4, "c")]


async def test_a_batch_that_takes_too_long_ends_the_stage() -> None:
    world = World(max_seconds=0.01)
    await world.stage.take(world.events(1))
    with pytest.raises(TimeoutError):
        await world.stage.run()


async def test_a_stage_that_ends_lets_the_batch_in_hand_end(world: World) -> None:
    taking = asyncio.create_task(world.stage.take(world.events(2)))
    await settle()
    ending = asyncio.create_task(world.stage.end())
    await settle()
    assert not ending.done()
    world.batches.gate.set()
    await ending
    assert world.batches.begun == [[0, 1]]
    await taking

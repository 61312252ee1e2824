"""Commands from their log to the queues, and offsets back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import PACKAGE_URI, close_download, device_requests

from sluice_common.background import BackgroundTasks
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Lwm2mCommand, Read
from sluice_common.supervision import repeat
from sluice_lwm2m.application.commands import command_consumer
from sluice_lwm2m.application.commands.command_consumer import CommandConsumer
from sluice_lwm2m.application.ports import ReceivedCommand
from sluice_lwm2m.domain.counters import Counted

FIRST_OFFSET = 7
MAX_RECORDS = 2


class FakeCommandLog:
    """Holds commands from the offset 7 on."""

    def __init__(self) -> None:
        self.before: list[Lwm2mCommand | None] = []
        self.later: list[Lwm2mCommand] = []
        self.committed = 0
        self.is_open = False
        self.failure: Exception | None = None
        self._next = FIRST_OFFSET

    async def start(self) -> int:
        """Begin at the offset."""
        self.is_open = True
        return FIRST_OFFSET

    async def stop(self) -> None:
        """End."""
        self.is_open = False

    async def backlog(self) -> list[ReceivedCommand]:
        """Return what was there."""
        return self._take(self.before, len(self.before))

    async def read(self, max_records: int) -> list[ReceivedCommand]:
        """Return what has come."""
        await asyncio.sleep(0)
        return self._take(self.later, max_records)

    async def commit(self, offset: int) -> None:
        """Note the offset, or fail."""
        if self.failure is not None:
            raise self.failure
        self.committed = offset

    def _take(self, commands: list[Lwm2mCommand] | list[Lwm2mCommand | None], count: int) -> list[ReceivedCommand]:
        taken = [ReceivedCommand(self._next + n, command) for n, command in enumerate(commands[:count])]
        self._next += len(taken)
        del commands[:count]
        return taken


@pytest.fixture
def log() -> FakeCommandLog:
    return FakeCommandLog()


@pytest_asyncio.fixture
async def consumer(world: World, log: FakeCommandLog) -> AsyncIterator[CommandConsumer]:
    made = CommandConsumer(log, world.commands, world.sessions, max_records=MAX_RECORDS)
    await made.start()
    yield made


async def consume(consumer: CommandConsumer, world: World) -> dict[str, OutcomeStatus]:
    """Let the consumer begin and run for a while; return the outcomes."""
    await consumer.take_backlog()
    return await go_on(consumer, world)


async def go_on(consumer: CommandConsumer, world: World) -> dict[str, OutcomeStatus]:
    """Let the consumer run for a while; return the outcomes."""
    async with BackgroundTasks() as tasks:
        tasks.start(repeat("commands_not_read", consumer.take_next))
        tasks.start(repeat("commands_not_committed", consumer.commit, pause=0.01))
        await asyncio.sleep(0.1)
    return {outcome.command_id: outcome.status for outcome in world.publisher.of(CommandOutcome)}


def read(command_id: str) -> Lwm2mCommand:
    return device_requests(Read(path="/3/0/3"), command_id=command_id, attempt=0)


async def test_commands_that_come_are_answered_and_committed(
    consumer: CommandConsumer, world: World, log: FakeCommandLog
) -> None:
    log.later = [read("1"), read("2"), read("3")]
    assert set(await consume(consumer, world)) == {"1", "2", "3"}
    assert log.committed == FIRST_OFFSET + 3


async def test_a_command_that_comes_when_there_were_none_is_submitted_at_once(
    consumer: CommandConsumer, world: World, log: FakeCommandLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_consumer, "_GATHER", 3600.0)
    asyncio.get_running_loop().call_later(0.02, log.later.append, read("1"))
    assert set(await consume(consumer, world)) == {"1"}


async def test_commands_of_the_backlog_that_a_later_close_ends_are_not_sent(
    consumer: CommandConsumer, world: World, log: FakeCommandLog
) -> None:
    log.before = [device_requests(PACKAGE_URI, command_id="begin"), close_download()]
    assert await consume(consumer, world) == {"begin": OutcomeStatus.STALE, "close": OutcomeStatus.DONE}
    assert world.sender.sent == []


async def test_a_record_that_could_not_be_decoded_is_committed(
    consumer: CommandConsumer, world: World, log: FakeCommandLog
) -> None:
    log.before = [None]
    await consume(consumer, world)
    assert log.committed == FIRST_OFFSET + 1


async def test_nothing_is_committed_from_the_first_command_on_that_is_not_answered(
    consumer: CommandConsumer, world: World, log: FakeCommandLog
) -> None:
    world.publisher.gate.clear()
    log.later = [read("1"), read("2")]
    await consume(consumer, world)
    assert log.committed == FIRST_OFFSET


async def test_no_more_commands_are_read_than_may_be_worked_on(
    consumer: CommandConsumer, world: World, log: FakeCommandLog
) -> None:
    world.publisher.gate.clear()
    log.later = [read(str(number)) for number in range(MAX_RECORDS + 1)]
    await consume(consumer, world)
    assert len(log.later) == 1


async def test_stopping_commits_what_is_answered(consumer: CommandConsumer, world: World, log: FakeCommandLog) -> None:
    log.before = [read("1")]
    await consume(consumer, world)
    log.committed = 0
    await consumer.stop()
    assert (log.committed, log.is_open) == (FIRST_OFFSET + 1, False)


async def test_stopping_closes_the_log_although_the_commit_fails(
    consumer: CommandConsumer, log: FakeCommandLog
) -> None:
    log.failure = OSError("no Kafka")
    await consumer.stop()
    assert not log.is_open


async def test_of_a_backlog_no_more_is_worked_on_at_once_than_of_what_comes(
    consumer: CommandConsumer, world: World, log: FakeCommandLog
) -> None:
    log.before = [read(str(number)) for number in range(10)]
    world.publisher.gate.clear()
    await consume(consumer, world)
    assert world.counters[Counted.COMMANDS] == MAX_RECORDS
    world.publisher.gate.set()
    while len(world.publisher.of(CommandOutcome)) < len("0123456789"):
        await go_on(consumer, world)
    assert set(await go_on(consumer, world)) == set("0123456789")


async def test_a_command_that_cannot_be_taken_holds_up_no_other(
    consumer: CommandConsumer, world: World, log: FakeCommandLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = world.commands.submit

    def take(command: Lwm2mCommand, *arguments: Any, **options: Any) -> None:
        if command.command_id == "1":
            raise KeyError("a fault of ours")
        submit(command, *arguments, **options)

    monkeypatch.setattr(world.commands, "submit", take)
    log.later = [read("1"), read("2")]
    assert set(await consume(consumer, world)) == {"2"}
    assert log.committed == FIRST_OFFSET + 2

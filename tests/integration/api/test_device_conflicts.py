"""What keeps a task from being created: found in so many queries as the task has groups, whatever others have."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from tests.unit.api import records

from sluice_api.adapters.mongo.collections import ensure_indexes
from sluice_api.adapters.mongo.device_conflicts import DeviceConflicts
from sluice_api.adapters.mongo.devices import Devices
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.domain.errors import ConflictError, NamedDevice
from sluice_api.domain.models import Targets, TaskStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.mongo import Database

MESSAGE = OutboxMessage("task-events", "t", "{}")


class Commands(CommandListener):
    """Counts what the driver asks, by the name of the command."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        self.asked[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing."""


@pytest.fixture
async def database(mongodb: str, database_name: str) -> AsyncIterator[tuple[Database, Commands]]:
    """A database without devices and tasks, and what it is asked."""
    commands = Commands()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongodb, tz_aware=True, retryWrites=False, event_listeners=[commands]
    )
    async with client:
        await client.drop_database(database_name)
        await ensure_indexes(client[database_name])
        yield client[database_name], commands


def groups(letter: str, number: int) -> tuple[str, ...]:
    return tuple(f"{letter}{n:03}" for n in range(number))


async def expand(database: Database, *group_ids: str) -> None:
    """Store a task of groups that expands."""
    task = records.task(status=TaskStatus.EXPANDING, targets=Targets(group_ids=group_ids))
    await Tasks(database).add(task, MESSAGE)


async def busy(database: Database, *group_ids: str) -> set[str]:
    """Return which devices keep a task of groups from being created."""
    named: Sequence[NamedDevice] = ()
    try:
        await DeviceConflicts(database).require_free("a", Targets(group_ids=group_ids))
    except ConflictError as error:
        named = error.devices
        assert {(device.because, device.task_id) for device in named} == {("targeted_by_task", "t")}
    return {device.device_id for device in named}


async def test_a_task_of_256_groups_beside_another_costs_queries_by_groups_and_not_by_pairs(
    database: tuple[Database, Commands],
) -> None:
    documents, commands = database
    await expand(documents, *groups("g", 256))
    commands.asked.clear()
    assert await busy(documents, *groups("h", 256)) == set()
    # For each group: members that the other task has too, active executions, open commands; and one for the tasks.
    assert commands.asked == {"find": 3 * 256 + 1}


async def test_the_shorter_list_of_groups_is_asked(database: tuple[Database, Commands]) -> None:
    documents, commands = database
    await expand(documents, *groups("g", 256))
    commands.asked.clear()
    assert await busy(documents, "h", "g255") == set()
    assert commands.asked == {"find": 1 + 2 + 2 * 2}


@pytest.mark.parametrize(
    ("mine", "others", "found"),
    [
        (("g1",), ("g1",), {"in-g1", "in-g1-g2"}),
        (("g1", "g3"), ("g1", "g2"), {"in-g1", "in-g1-g2"}),
        (("g1",), ("g2",), {"in-g1-g2"}),
        (("empty", "g2"), ("g1", "g3"), {"in-g1-g2"}),
        (("g3", "empty"), ("g1", "g2", "empty"), set()),
        (("of-another-app",), ("of-another-app",), set()),
    ],
)
async def test_devices_that_are_in_a_group_of_each_task_are_named(
    database: tuple[Database, Commands], mine: tuple[str, ...], others: tuple[str, ...], found: set[str]
) -> None:
    documents, _ = database
    devices = Devices(documents)
    await devices.add(records.device(device_id="in-g1", endpoint="1", group_ids=("g1",)))
    await devices.add(records.device(device_id="in-g1-g2", endpoint="2", group_ids=("g1", "g2")))
    await devices.add(records.device(device_id="in-g3", endpoint="3", group_ids=("g3",)))
    stranger = records.device(device_id="s", endpoint="4", app_id="b", group_ids=("of-another-app",))
    await devices.add(stranger)
    await expand(documents, *others)
    assert await busy(documents, *mine) == found

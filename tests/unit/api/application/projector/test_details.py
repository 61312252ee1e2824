from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.api.application.projector.fakes import AT, FakeStore, execution, received, registration

from sluice_api.application.counting import Row
from sluice_api.application.projector.details import Details
from sluice_common.errors import PoisonError
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import (
    Coverage,
    DeviceCommandChanged,
    DeviceCommandStatus,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.slots import CoverageClass


class Case:
    """Details that are given messages at consecutive places."""

    def __init__(self, store: FakeStore) -> None:
        self._writer = Details(store, last_seen_interval=30.0)
        self.forget = self._writer.forget

    async def write(self, messages: Sequence[Any]) -> None:
        """Write a batch."""
        await self._writer.write([received(message, offset) for offset, message in enumerate(messages)])


async def test_the_newest_step_of_an_execution_that_goes_on_is_written() -> None:
    store = FakeStore(d=1)
    await Case(store).write([execution("d", 3), execution("d", 2)])
    assert store.versions == {"t:d": 3}
    assert store.counted() == {}


async def test_an_execution_that_has_ended_is_left_to_the_projection() -> None:
    store = FakeStore(d=1)
    await Case(store).write([execution("d", 2, status=ExecutionStatus.SUCCEEDED, step=Step.ENDED)])
    assert store.versions == {"t:d": 1}


@pytest.mark.requirement("R117")
async def test_what_the_clock_tells_is_not_written() -> None:
    store = FakeStore(d=-1)
    waits = execution("d", 1, status=ExecutionStatus.WAITING, step=Step.WAITING)
    runs = execution("d", 2, step=Step.AWAIT_ONLINE)
    for snapshot in (waits, runs):
        await Case(store).write([snapshot])
    assert store.versions == {"t:d": -1}


@pytest.mark.parametrize(
    "more",
    [
        {"attempt": 2},
        {"reported_version": "1"},
        {"step": Step.QUERY_VERSION},
        {"coverage": Coverage(cell_id=1, coverage_class=CoverageClass.LEVEL_0, network="n")},
    ],
)
async def test_what_says_more_than_the_clock_is_written(more: dict[str, Any]) -> None:
    store = FakeStore(d=-1)
    await Case(store).write([execution("d", 2, **{"step": Step.AWAIT_ONLINE} | more)])
    assert store.versions == {"t:d": 2}


async def test_what_the_clock_could_tell_is_written_where_nothing_is_known_of_it() -> None:
    store = FakeStore()
    store.executions["t:d"] = Row(version=-1, status=ExecutionStatus.WAITING)
    await Case(store).write([execution("d", 2, step=Step.AWAIT_ONLINE)])
    assert store.versions == {"t:d": 2}


async def test_a_late_step_of_an_execution_that_has_ended_changes_nothing() -> None:
    store = FakeStore()
    store.executions["t:d"] = Row(version=5, status=ExecutionStatus.FAILED)
    await Case(store).write([execution("d", 3)])
    assert store.executions["t:d"].status is ExecutionStatus.FAILED


async def test_an_execution_that_is_missing_is_restored_if_its_task_is_there() -> None:
    store = FakeStore()
    await Case(store).write([execution("lost", 3)])
    assert store.versions == {"t:lost": 3}
    assert store.counted() == {}


async def test_an_execution_of_another_apps_task_is_not_restored() -> None:
    store = FakeStore()
    store.tasks = {"t": "stranger"}
    await Case(store).write([execution("d")])
    assert store.versions == {}


async def test_an_execution_of_a_deleted_task_is_not_brought_back() -> None:
    store = FakeStore()
    store.tasks = {}
    await Case(store).write([execution("d", 3)])
    assert store.versions == {}


async def test_poison_is_raised_as_it_is() -> None:
    store = FakeStore(d=1)
    store.poison = {"t:d"}
    with pytest.raises(PoisonError):
        await Case(store).write([execution("d", 2)])


async def test_commands_and_devices_are_written_with_their_batch() -> None:
    store = FakeStore(d=-1)
    command = DeviceCommandChanged(
        app_id="a", occurred_at=AT, command_id="c", device_id="d", version=1, status=DeviceCommandStatus.SENT
    )
    await Case(store).write([command, execution("d", reported_version="1"), registration("e")])
    assert store.commands == ["c"]
    assert [set(news) for news in store.devices] == [{"d", "e"}]


async def test_devices_that_have_spoken_are_marked_after_the_registrations_of_their_batch() -> None:
    store = FakeStore()
    await Case(store).write(
        [DevicesSeen(app_id="", occurred_at=AT, gateway=0, device_ids=("d", "e")), registration("d")]
    )
    assert store.seen == [(("d", "e"), AT)]
    assert [set(news) for news in store.devices] == [{"d"}]


async def test_news_that_were_written_are_not_written_again() -> None:
    store = FakeStore()
    writer = Case(store)
    for _ in range(2):
        await writer.write([registration("d")])
    assert [set(news) for news in store.devices] == [{"d"}, set()]


async def test_news_are_written_again_where_another_process_may_have_written_others_meanwhile() -> None:
    store = FakeStore()
    writer = Case(store)
    for _ in range(2):
        await writer.write([registration("d")])
        writer.forget()
    assert [set(news) for news in store.devices] == [{"d"}, {"d"}]

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.api.application.projector.fakes import AT, FakeStore, execution, received, registration

from sluice_api.application.counting import Row
from sluice_api.application.projector import details as module
from sluice_api.application.projector import precedence
from sluice_api.application.projector.details import Details
from sluice_api.application.projector.precedence import Precedence
from sluice_common.errors import PoisonError
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceCommandStatus, ExecutionStatus, Step


class Case:
    """Details that are given messages at consecutive places."""

    def __init__(self, store: FakeStore) -> None:
        self.precedence = Precedence()
        self._writer = Details(store, self.precedence, last_seen_interval=30.0)

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


async def test_what_the_clock_tells_is_not_written_and_not_waited_for() -> None:
    store = FakeStore(d=-1)
    await Case(store).write([execution("d", 2, step=Step.AWAIT_ONLINE)])
    assert store.versions == {"t:d": -1}


async def test_a_step_waits_until_the_status_of_its_execution_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.01)
    store = FakeStore(d=-1)
    writing = asyncio.create_task(Case(store).write([execution("d", 3)]))
    await asyncio.sleep(0.05)
    assert store.versions == {"t:d": -1}
    store.executions["t:d"] = Row(version=2, status=ExecutionStatus.RUNNING, clocked=True)
    await writing
    assert store.versions == {"t:d": 3}


async def test_a_step_whose_status_is_never_written_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    store = FakeStore(d=-1, e=1)
    await Case(store).write([execution("d", 3), execution("e", 3)])
    assert store.versions == {"t:d": -1, "t:e": 3}


async def test_details_wait_while_changes_of_status_are_written() -> None:
    store = FakeStore(d=1)
    case = Case(store)
    with case.precedence.first():
        writing = asyncio.create_task(case.write([execution("d", 3)]))
        await asyncio.sleep(0.05)
        assert store.versions == {"t:d": 1}
    await writing
    assert store.versions == {"t:d": 3}


async def test_details_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "_MAX_WAIT", 0.0)
    store = FakeStore(d=1)
    case = Case(store)
    with case.precedence.first():
        await case.write([execution("d", 3)])
    assert store.versions == {"t:d": 3}


async def test_an_execution_of_a_deleted_task_is_passed_over() -> None:
    store = FakeStore()
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
    assert [set(news) for news in store.devices] == [{"d"}]

from collections.abc import Sequence

import pytest
from tests.unit.api.application.relay.fakes import AT, FakeKafka, FakeTasks, task

from sluice_api.application.relay.expansion import Expansion, LastPage, OvertakenError
from sluice_api.domain.models import Checkpoint, Targets, Task

GROUPS = {"g1": ("11", "12", "13"), "g2": ("13", "14")}


class Case:
    """An expansion, and what it has done in its order."""

    def __init__(self, expanding: Task, groups: dict[str, Sequence[str]] | None = None) -> None:
        self.log: list[str] = []
        self.kafka = FakeKafka(self.log)
        self.store = FakeTasks(self.log, **(GROUPS if groups is None else groups))
        self.store.checkpoint = expanding.expansion
        self.expansion = Expansion(self.store, self.kafka, expanding, page=2)

    async def expand(self) -> int:
        """Do all pages; return how many there were."""
        pages = 0
        while await self.expansion.step(AT):
            pages += 1
        return pages

    @property
    def requested(self) -> list[str]:
        """The devices of the published requests."""
        return [key for _, key, _ in self.kafka.published]


async def test_a_page_is_inserted_then_published_then_behind_the_checkpoint() -> None:
    case = Case(task())
    assert await case.expansion.step(AT)
    assert case.log == ["begin", "insert 11", "insert 12", "publish 11", "publish 12", "checkpoint 1"]


async def test_the_devices_of_all_groups_are_requested() -> None:
    case = Case(task())
    assert await case.expand() == 3
    assert set(case.requested) == {"11", "12", "13", "14"}
    assert case.store.checkpoint == Checkpoint(page=3, group=1, after="14")


async def test_a_device_of_two_groups_has_one_execution() -> None:
    case = Case(task())
    await case.expand()
    assert len(case.store.rows) == 4
    assert len({message.execution_id for _, key, message in case.kafka.published if key == "13"}) == 1


async def test_listed_devices_that_do_not_exist_any_more_are_left_out() -> None:
    case = Case(task(targets=Targets(device_ids=("11", "12", "x3", "x4", "x5"))))
    assert await case.expand() == 3
    assert case.requested == ["11", "12"]
    assert case.store.checkpoint.after == "x5"


async def test_devices_created_after_the_task_begins_are_left_out() -> None:
    second = f"{int(AT.timestamp()):08x}"
    later = f"{int(AT.timestamp()) + 1:08x}"
    case = Case(task(targets=Targets(group_ids=("g",))), {"g": (f"{second}ff", f"{later}00")})
    await case.expand()
    assert case.requested == [f"{second}ff"]


async def test_a_relay_that_resumes_publishes_what_was_inserted_behind_the_checkpoint_and_reads_on() -> None:
    before = Case(task())
    await before.expansion.step(AT)
    before.kafka.failure = ConnectionError()
    with pytest.raises(ConnectionError):
        await before.expansion.step(AT)
    case = Case(task(expansion=before.store.checkpoint))
    case.store.rows = before.store.rows
    await case.expand()
    assert case.requested == ["13", "13", "13", "14"]
    assert set(case.store.rows) == {f"{task().task_id}:{i}" for i in ("11", "12", "13", "14")}


async def test_a_relay_whose_checkpoint_another_has_moved_is_overtaken() -> None:
    case = Case(task())
    case.store.checkpoint = Checkpoint(page=5)
    with pytest.raises(OvertakenError):
        await case.expansion.step(AT)


async def test_closing_an_expansion_closes_its_cursor() -> None:
    case = Case(task())
    await case.expansion.step(AT)
    assert case.store.open_cursors == 1
    await case.expansion.close()
    assert case.store.open_cursors == 0


async def test_the_last_page_of_a_task_that_is_stopped_publishes_what_was_inserted_and_reads_no_further() -> None:
    case = Case(task())
    await case.store.insert_executions(task(), 0, await case.store.members(["11"]))
    last = LastPage(case.store, case.kafka, task(), page=2)
    assert not await last.step(AT)
    await last.finish()
    assert case.requested == ["11"]
    assert case.log[-1] == "complete"

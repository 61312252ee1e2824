from collections.abc import Sequence

import pytest
from tests.unit.api.application.relay.fakes import AT, FakeKafka, FakeTasks, task

from sluice_api.application.relay.expansion import Expansion, LastPage, OvertakenError
from sluice_api.application.relay.records import PlannedPage
from sluice_api.domain.models import Checkpoint, Targets, Task
from sluice_common.messages.execution_events import ExecutionStatus

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
    assert case.store.checkpoint == Checkpoint(page=3, group=1, after="14", total=4)


async def test_a_device_of_two_groups_has_one_execution_and_is_requested_and_counted_once() -> None:
    case = Case(task())
    await case.expand()
    assert len(case.store.rows) == case.store.checkpoint.total == 4
    assert case.requested.count("13") == 1


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


async def interrupted() -> Case:
    """Return an expansion that goes on where another ended between inserting its second page and publishing it."""
    before = Case(task())
    await before.expansion.step(AT)
    before.kafka.failure = ConnectionError()
    with pytest.raises(ConnectionError):
        await before.expansion.step(AT)
    case = Case(task(expansion=before.store.checkpoint))
    case.store.rows, case.store.pages = before.store.rows, before.store.pages
    return case


async def test_a_relay_that_resumes_completes_the_page_behind_the_checkpoint_and_reads_on() -> None:
    case = await interrupted()
    await case.expand()
    assert case.requested == ["13", "14"]
    assert set(case.store.rows) == {f"{task().task_id}:{i}" for i in ("11", "12", "13", "14")}
    assert case.store.checkpoint.total == 4


async def test_what_a_page_has_does_not_change_when_devices_leave_their_group_before_it_is_complete() -> None:
    case = await interrupted()
    case.store.groups = {"g1": ("11",), "g2": ("14",)}
    await case.expand()
    assert case.requested == ["13", "14"]
    assert case.store.checkpoint.total == 4


async def test_an_expansion_that_an_older_version_began_counts_once_what_is_there() -> None:
    case = Case(task(expansion=Checkpoint(page=1, after="12")))
    for number, device_id in ((0, "11"), (0, "12"), (1, "13")):
        (member,) = await case.store.members([device_id])
        case.store.rows[f"{task().task_id}:{device_id}"] = (number, member)
    await case.expand()
    assert case.store.checkpoint.total == 4


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


async def test_the_last_page_of_a_task_that_is_stopped_is_completed_and_no_further_one_is_read() -> None:
    case = Case(task())
    page = PlannedPage(group=0, after="11", members=await case.store.members(["11"]))
    await case.store.add_page(task().task_id, 0, page)
    last = LastPage(case.store, case.kafka, task(), page=2)
    assert not await last.step(AT)
    await last.finish()
    assert case.requested == ["11"]
    assert (case.log[-1], case.store.checkpoint.total) == ("complete", 1)


RETRY = Targets(failed_of="o", statuses=(ExecutionStatus.FAILED, ExecutionStatus.STOPPED))


async def test_a_retry_has_the_devices_that_ended_so_in_the_other_task_and_still_exist() -> None:
    case = Case(task(targets=RETRY))
    case.store.ended = {
        ("o", ExecutionStatus.FAILED): ("11", "13", "x4", "x5", "x6"),
        ("o", ExecutionStatus.STOPPED): ("12",),
        ("o", ExecutionStatus.SUCCEEDED): ("14",),
    }
    await case.expand()
    assert case.requested == ["11", "13", "12"]
    assert case.store.checkpoint == Checkpoint(page=4, group=1, after="12", total=3)


async def test_a_retry_that_is_resumed_reads_on_behind_its_checkpoint() -> None:
    checkpoint = Checkpoint(page=2, group=0, after="12", total=2)
    case = Case(task(targets=RETRY, expansion=checkpoint))
    case.store.ended = {("o", ExecutionStatus.FAILED): ("11", "12", "13"), ("o", ExecutionStatus.STOPPED): ("10",)}
    await case.expand()
    assert case.requested == ["13", "10"]
    assert case.store.checkpoint.total == 4

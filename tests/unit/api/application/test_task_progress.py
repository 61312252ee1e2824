from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from sluice_api.application.counting import Counts, Place, Row
from sluice_api.application.task_progress import ExpandedTask, TaskProgress
from sluice_api.domain.models import Progress, TaskResult, TaskStatus
from sluice_common.messages.execution_events import ExecutionStatus

# ruff: noqa: ARG002 - a fake takes what the port takes

AT = datetime(2026, 11, 22, tzinfo=UTC)
SUCCEEDED, RUNNING, WAITING = ExecutionStatus.SUCCEEDED, ExecutionStatus.RUNNING, ExecutionStatus.WAITING


class FakeStore:
    """One task."""

    def __init__(
        self, status: TaskStatus, *, total: int, complete: bool = True, counts: Mapping[str, int] = {}
    ) -> None:
        self.status = status
        self.total = total
        self.complete = complete
        self.counted = Counts(by_status={ExecutionStatus(s): n for s, n in counts.items()}, is_new=False)
        self.stored: Sequence[Row] = ()
        self.result: TaskResult | None = None
        self.progress = Progress()
        self.overtaken = 0
        self.log: list[str] = []

    async def expanded(self, task_id: str) -> ExpandedTask | None:
        self.log.append("expanded")
        return ExpandedTask(self.status, self.total) if self.complete and not self.status.is_final else None

    async def counts(self, task_ids: Sequence[str]) -> Mapping[str, Counts]:
        self.log.append("counts")
        return {"t": self.counted}

    async def rows(self, task_id: str, page: int) -> AsyncGenerator[Sequence[Row], None]:
        yield self.stored

    async def replace_counts(self, task_id: str, before: Counts, after: Counts, total: int) -> bool:
        if self.overtaken:
            self.overtaken -= 1
            return False
        self.counted, self.total = after, total
        return True

    async def end(
        self,
        task_id: str,
        before: TaskStatus,
        after: TaskStatus,
        *,
        result: TaskResult | None,
        progress: Progress,
        now: datetime,
    ) -> None:
        if self.status is before:
            self.status, self.result, self.progress = after, result, progress

    async def under_way(self) -> list[str]:
        return [] if self.status.is_final else ["t"]


@pytest.mark.parametrize("counts", [{"SUCCEEDED": 2, "RUNNING": 1}, {"SUCCEEDED": 2}])
async def test_a_task_with_executions_that_run_or_wait_does_not_end(counts: dict[str, int]) -> None:
    store = FakeStore(TaskStatus.RUNNING, total=3, counts=counts)
    await TaskProgress(store).end_if_done("t", AT)
    assert store.status is TaskStatus.RUNNING


@pytest.mark.parametrize(
    ("before", "after"), [(TaskStatus.RUNNING, TaskStatus.FINISHED), (TaskStatus.STOPPING, TaskStatus.STOPPED)]
)
async def test_a_task_ends_with_its_last_execution(before: TaskStatus, after: TaskStatus) -> None:
    store = FakeStore(before, total=2, counts={"SUCCEEDED": 2})
    await TaskProgress(store).end_if_done("t", AT)
    assert (store.status, store.result) == (after, TaskResult.SUCCEEDED)
    assert store.progress == Progress(total=2, succeeded=2)


async def test_a_task_that_is_being_expanded_does_not_end_though_all_executions_so_far_have() -> None:
    store = FakeStore(TaskStatus.RUNNING, total=2, complete=False, counts={"SUCCEEDED": 2})
    await TaskProgress(store).end_if_done("t", AT)
    assert store.status is TaskStatus.RUNNING


async def test_the_number_of_executions_is_read_before_they_are_counted_so_that_none_can_be_overlooked() -> None:
    store = FakeStore(TaskStatus.RUNNING, total=2, counts={"SUCCEEDED": 2})
    await TaskProgress(store).end_if_done("t", AT)
    assert store.log == ["expanded", "counts"]


async def test_a_task_without_executions_ends_without_a_result() -> None:
    store = FakeStore(TaskStatus.RUNNING, total=0)
    await TaskProgress(store).end_if_done("t", AT)
    assert (store.status, store.result) == (TaskStatus.FINISHED, None)


async def test_a_recount_counts_a_row_that_is_not_counted_yet_as_what_it_was() -> None:
    store = FakeStore(TaskStatus.RUNNING, total=0)
    store.counted = Counts(by_status={RUNNING: 7}, positions={0: 5}, is_new=False)
    store.stored = [
        Row(version=2, status=SUCCEEDED, before=RUNNING, place=Place(0, 5)),
        Row(version=2, status=SUCCEEDED, before=RUNNING, place=Place(0, 6)),
        Row(version=-1, status=WAITING),
        Row(version=1, status=RUNNING),
    ]
    assert await TaskProgress(store).recount("t")
    assert store.counted.by_status == {SUCCEEDED: 1}
    assert store.total == 4


async def test_a_recount_that_is_overtaken_begins_again_and_gives_up_in_the_end() -> None:
    store = FakeStore(TaskStatus.RUNNING, total=0)
    store.overtaken = 2
    assert await TaskProgress(store).recount("t")
    store.overtaken = 100
    assert not await TaskProgress(store).recount("t")

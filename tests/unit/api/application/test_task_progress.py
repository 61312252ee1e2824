from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from sluice_api.application.task_progress import TaskProgress
from sluice_api.domain.models import Progress, TaskResult, TaskStatus

AT = datetime(2026, 11, 22, tzinfo=UTC)


class FakeStore:
    """One task."""

    def __init__(self, status: TaskStatus, *, complete: bool = True, **counts: int) -> None:
        self.status = status
        self.complete = complete
        self.counts = counts
        self.result: TaskResult | None = None
        self.saved = Progress()

    async def count(self, task_id: str) -> Mapping[str, int]:  # noqa: ARG002 - a port
        return self.counts

    async def save(self, task_id: str, progress: Progress, now: datetime) -> None:  # noqa: ARG002 - a port
        self.saved = progress

    async def end(
        self,
        task_id: str,  # noqa: ARG002 - a port
        before: TaskStatus,
        after: TaskStatus,
        *,
        result: TaskResult | None,
        progress: Progress,
        now: datetime,  # noqa: ARG002 - a port
    ) -> bool:
        if self.status is not before or not self.complete:
            return False
        self.status, self.result, self.saved = after, result, progress
        return True

    async def is_under_way(self, task_id: str) -> bool:  # noqa: ARG002 - a port
        return not self.status.is_final

    async def under_way(self) -> list[str]:
        return [] if self.status.is_final else ["t"]


async def test_a_task_with_executions_under_way_is_counted_and_does_not_end() -> None:
    store = FakeStore(TaskStatus.RUNNING, RUNNING=1, SUCCEEDED=2)
    assert not await TaskProgress(store).refresh("t", AT)
    assert store.status is TaskStatus.RUNNING
    assert (store.saved.running, store.saved.succeeded, store.saved.total) == (1, 2, 3)


@pytest.mark.parametrize(
    ("before", "after"), [(TaskStatus.RUNNING, TaskStatus.FINISHED), (TaskStatus.STOPPING, TaskStatus.STOPPED)]
)
async def test_a_task_ends_with_its_last_execution(before: TaskStatus, after: TaskStatus) -> None:
    store = FakeStore(before, SUCCEEDED=2)
    assert not await TaskProgress(store).refresh("t", AT)
    assert (store.status, store.result) == (after, TaskResult.SUCCEEDED)


async def test_a_task_that_is_being_expanded_is_counted_again_as_its_last_execution_may_have_ended() -> None:
    store = FakeStore(TaskStatus.RUNNING, complete=False, SUCCEEDED=2)
    assert await TaskProgress(store).refresh("t", AT)
    assert store.status is TaskStatus.RUNNING


async def test_a_task_that_has_ended_is_not_counted_again() -> None:
    store = FakeStore(TaskStatus.FINISHED, SUCCEEDED=2)
    assert not await TaskProgress(store).refresh("t", AT)

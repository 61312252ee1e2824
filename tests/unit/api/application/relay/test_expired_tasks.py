from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.unit.api.application.relay.fakes import AT

from sluice_api.application.relay.expired_tasks import ExpiredTasks

DAY = timedelta(days=1)


class FakeTasks:
    """Ended tasks with their ends, and how often they were asked for."""

    def __init__(self, **ends: datetime) -> None:
        self.ends = ends
        self.looks = 0
        self.kept: set[str] = set()

    async def ended_before(self, at: datetime, limit: int) -> Sequence[tuple[str, str]]:
        self.looks += 1
        return [("a", task_id) for task_id, ended in self.ends.items() if ended < at][:limit]

    async def remove(self, app_id: str, task_id: str, at: datetime) -> bool:
        assert (app_id, at) == ("a", AT)
        return task_id not in self.kept and self.ends.pop(task_id, None) is not None


async def test_tasks_that_ended_long_ago_are_removed_and_no_others() -> None:
    tasks = FakeTasks(old=AT - 3 * DAY, new=AT - DAY)
    expired = ExpiredTasks(tasks, 2 * DAY, lambda: AT)
    assert await expired.remove_when_due()
    assert tasks.ends == {"new": AT - DAY}


async def test_after_a_look_that_found_nothing_the_next_is_minutes_away() -> None:
    tasks, at = FakeTasks(), [AT]
    expired = ExpiredTasks(tasks, DAY, lambda: at[0])
    for _ in range(3):
        assert not await expired.remove_when_due()
    assert tasks.looks == 1
    at[0] += timedelta(hours=1)
    await expired.remove_when_due()
    assert tasks.looks == 2


async def test_tasks_that_others_have_yet_to_read_do_not_keep_the_relay_busy() -> None:
    tasks = FakeTasks(retried=AT - 3 * DAY)
    tasks.kept = {"retried"}
    expired = ExpiredTasks(tasks, DAY, lambda: AT)
    for _ in range(3):
        assert not await expired.remove_when_due()
    assert (tasks.looks, list(tasks.ends)) == (1, ["retried"])


async def test_a_platform_that_keeps_all_tasks_removes_none() -> None:
    tasks = FakeTasks(old=AT - 10_000 * DAY)
    assert not await ExpiredTasks(tasks, timedelta(), lambda: AT).remove_when_due()
    assert tasks.ends

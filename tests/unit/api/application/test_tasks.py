import pytest
from msgspec.structs import replace
from tests.unit.api.application.fakes import FakeTasks
from tests.unit.api.records import AT, task

from sluice_api.application.tasks import TaskStopper, delete_task, stop_task
from sluice_api.domain.errors import ConflictError, NotFoundError
from sluice_api.domain.models import Targets, TaskStatus
from sluice_common.messages.execution_events import ExecutionStatus, Reason
from sluice_common.reasons import ReasonCode


@pytest.mark.requirement("R119")
async def test_a_task_under_way_is_stopped_once_with_a_message() -> None:
    tasks = FakeTasks(t=task(status=TaskStatus.RUNNING))
    for _ in range(2):
        assert (await stop_task(tasks, "a", "t", AT, None)).status is TaskStatus.STOPPING
    (message,) = tasks.messages
    assert (message.topic, message.key) == ("task-events", "t")
    assert '"type":"task_stop_requested"' in message.value


@pytest.mark.requirement("R123")
@pytest.mark.parametrize("status", [TaskStatus.FINISHED, TaskStatus.STOPPED])
async def test_a_task_that_has_ended_cannot_be_stopped(status: TaskStatus) -> None:
    with pytest.raises(ConflictError) as caught:
        await stop_task(FakeTasks(t=task(status=status)), "a", "t", AT, None)
    assert caught.value.code == "task_ended"


@pytest.mark.requirement("R141", "R142")
async def test_a_task_is_deleted_once_it_has_ended() -> None:
    tasks = FakeTasks(t=task(status=TaskStatus.STOPPING))
    with pytest.raises(ConflictError) as caught:
        await delete_task(tasks, "a", "t", AT)
    assert caught.value.code == "task_running"
    tasks = FakeTasks(t=task(status=TaskStatus.STOPPED))
    await delete_task(tasks, "a", "t", AT)
    with pytest.raises(NotFoundError):
        await delete_task(tasks, "a", "t", AT)


@pytest.mark.parametrize("status", [TaskStatus.SCHEDULED, TaskStatus.EXPANDING])
async def test_a_task_is_not_deleted_before_the_task_that_retries_it_has_read_its_executions(
    status: TaskStatus,
) -> None:
    retry = task(task_id="r", status=status, targets=Targets(failed_of="t", statuses=(ExecutionStatus.FAILED,)))
    tasks = FakeTasks(t=task(status=TaskStatus.FINISHED), r=retry)
    with pytest.raises(ConflictError) as caught:
        await delete_task(tasks, "a", "t", AT)
    assert (caught.value.code, [named.task_id for named in caught.value.tasks]) == ("task_being_retried", ["r"])
    tasks.records["r"] = replace(retry, status=TaskStatus.RUNNING)
    await delete_task(tasks, "a", "t", AT)
    assert "t" not in tasks.records


async def test_the_platform_stops_all_tasks_of_a_package_and_says_why() -> None:
    tasks = FakeTasks(t=task(status=TaskStatus.SCHEDULED), e=task(task_id="e", status=TaskStatus.FINISHED))
    await TaskStopper(tasks).stop_all_of("p", ReasonCode.KEY_REVOKED, AT)
    assert tasks.reasons == {"t": Reason(code=ReasonCode.KEY_REVOKED)}
    assert tasks.records["e"].status is TaskStatus.FINISHED

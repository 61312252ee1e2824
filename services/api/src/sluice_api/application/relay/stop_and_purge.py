"""What the relay does at the end of a task: asks its executions to stop, and deletes those of deleted tasks."""

from datetime import datetime, timedelta

from sluice_api.application.relay.ports import Publisher, PurgeStore, StopStore
from sluice_api.application.relay.records import ActiveExecution
from sluice_api.domain.models import Task
from sluice_common.ids import split_execution_id
from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS

_PURGE_PAUSE = timedelta(seconds=5)


class Stop:
    """Asks every execution of a task that has not ended to stop, page by page with a checkpoint."""

    def __init__(self, store: StopStore, publisher: Publisher, task: Task, page: int) -> None:
        self._store = store
        self._publisher = publisher
        self._task = task
        self._pages = store.active_executions(task.task_id, after=task.stop_after, page=page)

    async def step(self, now: datetime) -> bool:
        """Do one page; return whether there was one."""
        page = await anext(self._pages, None)
        if page is None:
            return False
        await self._publisher.publish_all(
            (DEVICE_EVENTS, execution.device_id, self._request(execution, now)) for execution in page
        )
        await self._store.save_stopped(self._task.task_id, page[-1].execution_id)
        return True

    async def finish(self) -> None:
        """Leave the task to the scheduler; the projector ends it with its last execution."""
        # Not one that another relay has stopped, and that was deleted since: its executions are still to be deleted.
        await self._store.finish_stop(self._task.task_id)

    async def close(self) -> None:
        """Close the cursor."""
        await self._pages.aclose()

    def _request(self, execution: ActiveExecution, now: datetime) -> ExecutionStopRequested:
        return ExecutionStopRequested(
            app_id=self._task.app_id,
            occurred_at=now,
            device_id=execution.device_id,
            execution_id=execution.execution_id,
            task_id=self._task.task_id,
            reason=self._task.stop_code,
        )


class Purge:
    """Deletes the executions of a deleted task, here and in Kafka; the task's tombstone stays.

    A task that retries it may have begun to read them at the moment of its deletion: they stay until it has.
    """

    def __init__(self, store: PurgeStore, publisher: Publisher, task_id: str, page: int) -> None:
        self._store = store
        self._publisher = publisher
        self._task_id = task_id
        self._pages = store.executions(task_id, page)

    async def must_wait(self, now: datetime) -> bool:
        """Return whether another task reads the executions; they are looked at again in a while."""
        if not await self._store.is_being_retried(self._task_id):
            return False
        await self._store.postpone_purge(self._task_id, now + _PURGE_PAUSE)
        return True

    async def step(self, now: datetime) -> bool:  # noqa: ARG002 - as the others
        """Do one page; return whether there was one."""
        page = await anext(self._pages, None)
        if page is None:
            return False
        # First in Kafka: once its row is gone, nobody knows that an execution has been.
        await self._publisher.publish_tombstones(EXECUTION_EVENTS, ((i, split_execution_id(i)[1]) for i in page))
        await self._store.delete_executions(page)
        return True

    async def finish(self) -> None:
        """Keep the tombstone only."""
        await self._store.finish_purge(self._task_id)

    async def close(self) -> None:
        """Close the cursor."""
        await self._pages.aclose()

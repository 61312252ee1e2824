"""Executions: what users do to single ones."""

from datetime import datetime

from sluice_api.application.ports import ExecutionRepository
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import Execution
from sluice_api.domain.outbox import entry
from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.topics import DEVICE_EVENTS


async def stop_execution(
    executions: ExecutionRepository, app_id: str, execution_id: str, at: datetime, traceparent: str | None
) -> Execution:
    """Ask for an execution to be stopped, and return it; harmless if that was asked already.

    The request may reach the scheduler before the execution does: that remembers it as stopped (`stop_unknown`).

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It has ended.
    """
    execution = await executions.get(app_id, execution_id)
    if execution.active and not execution.stop_requested:
        message = ExecutionStopRequested(
            app_id=app_id,
            occurred_at=at,
            traceparent=traceparent,
            device_id=execution.device_id,
            execution_id=execution_id,
            task_id=execution.task_id,
        )
        await executions.request_stop(execution_id, at, entry(DEVICE_EVENTS, execution.device_id, message))
        execution = await executions.get(app_id, execution_id)
    if not execution.active:
        raise ConflictError("execution_ended", f"The execution is {execution.status}; there is nothing to stop.")
    return execution

"""The snapshot of an execution that readers get, made from its record."""

from datetime import datetime

from sluice_common.messages.execution_events import ExecutionChanged, Step
from sluice_rules.devices.execution import Execution

_SHOWS_REASON = (Step.RETRY_WAIT, Step.ENDED)


def snapshot(execution: Execution, device_id: str, at: datetime, traceparent: str | None) -> ExecutionChanged:
    """Return what readers shall see of an execution, as of its current version."""
    verdict = execution.verdict if execution.step in _SHOWS_REASON else None
    return ExecutionChanged(
        app_id=execution.app_id,
        occurred_at=at,
        traceparent=traceparent,
        execution_id=execution.execution_id,
        task_id=execution.task_id,
        device_id=device_id,
        version=execution.version,
        status=execution.status,
        step=execution.step,
        attempt=execution.attempt.number,
        max_retries=execution.policy.max_retries,
        target_version=execution.package.version,
        source_version=execution.source_version,
        reported_version=execution.reported_version,
        coverage=execution.attempt.coverage,
        firmware_state=execution.attempt.firmware_state,
        reason=verdict.reason if verdict else None,
        created_at=execution.created_at,
        started_at=execution.started_at,
        ended_at=at if execution.status.is_final else None,
        next_attempt_at=execution.next_attempt_at,
        history=execution.history,
    )

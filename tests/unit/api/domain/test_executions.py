from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.domain.executions import progress_at, shown_at, stored_statuses
from sluice_api.domain.models import Execution, Progress
from sluice_common.messages.execution_events import ExecutionStatus, Step

AT = datetime(2026, 11, 22, tzinfo=UTC)
RUNS_AT = AT + timedelta(seconds=10)


def execution(**changes: Any) -> Execution:
    plain = Execution(
        execution_id="t:d",
        app_id="a",
        task_id="t",
        device_id="d",
        endpoint="e",
        product_id="p",
        group_ids=(),
        version=-1,
        active=True,
        status=ExecutionStatus.WAITING,
        step=Step.WAITING,
        attempt=1,
        max_retries=0,
        target_version="2",
        created_at=AT,
        history=(),
        runs_at=RUNS_AT,
    )
    return msgspec.structs.replace(plain, **changes)


@pytest.mark.requirement("R117", "R118")
def test_an_execution_waits_until_its_time_has_come_and_then_runs_though_nothing_was_written() -> None:
    before, after = (shown_at(execution(), RUNS_AT - timedelta(milliseconds=ms)) for ms in (1, 0))
    assert (before.status, before.step, before.started_at) == (ExecutionStatus.WAITING, Step.WAITING, None)
    assert (after.status, after.step, after.started_at) == (ExecutionStatus.RUNNING, Step.AWAIT_ONLINE, RUNS_AT)
    assert [(entry.at, entry.step) for entry in after.history] == [(AT, Step.WAITING), (RUNS_AT, Step.AWAIT_ONLINE)]


def test_what_the_scheduler_has_reported_is_shown_as_it_is() -> None:
    reported = execution(version=3, status=ExecutionStatus.RUNNING, step=Step.DOWNLOADING)
    assert shown_at(reported, RUNS_AT) == reported


def test_an_execution_of_an_older_version_waits_until_the_scheduler_reports_it() -> None:
    assert shown_at(execution(runs_at=None), RUNS_AT + timedelta(days=1)).status is ExecutionStatus.WAITING


@given(st.sampled_from(ExecutionStatus), st.booleans(), st.integers(-1, 1))
def test_what_is_shown_with_a_status_is_looked_for_where_it_is_stored(
    stored: ExecutionStatus, clock: bool, version: int
) -> None:
    shown = shown_at(execution(status=stored, version=version), RUNS_AT if clock else AT)
    assert stored in stored_statuses(shown.status, clock_has_run=clock)
    assert stored in stored_statuses(None)


def test_the_progress_of_a_task_follows_the_clock_as_its_executions_do() -> None:
    progress = Progress(total=5, waiting=3, running=1, succeeded=1)
    assert progress_at(progress, RUNS_AT, AT) == progress
    assert progress_at(progress, RUNS_AT, RUNS_AT) == Progress(total=5, running=4, succeeded=1)

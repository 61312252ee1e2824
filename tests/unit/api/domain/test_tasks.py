from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.records import AT, package, product

from sluice_api.domain.errors import InvalidError
from sluice_api.domain.models import Maintenance, Targets, TaskPolicy, TaskStatus
from sluice_api.domain.tasks import (
    SLOT_TIMEOUTS,
    NewTask,
    bounded_timeouts,
    check_end,
    is_done,
    new_task,
    product_for,
    progress_of,
    result_of,
)
from sluice_api.entrypoints.rest.schemas.tasks import Policy
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.snapshots import Timeouts, UpgradePolicy

END = datetime(2030, 1, 1, tzinfo=UTC)
COUNTS = st.dictionaries(st.sampled_from([s for s in ExecutionStatus if s.is_final]), st.integers(0, 10**6))


@pytest.mark.parametrize("name", SLOT_TIMEOUTS)
def test_no_task_lets_a_device_hold_its_slot_for_longer_than_the_platform_does(name: str) -> None:
    timeouts = msgspec.structs.replace(Timeouts(), **{name: 7_200.5})
    assert bounded_timeouts(timeouts, {name}, 7_200.5) == timeouts
    with pytest.raises(InvalidError, match=f"policy.timeouts.{name}"):
        bounded_timeouts(timeouts, {name}, 7_200.0)


def test_defaults_are_shortened_to_what_the_platform_allows_and_waits_without_a_slot_are_not() -> None:
    bounded = bounded_timeouts(Timeouts(), set(), 60.0)
    assert {getattr(bounded, name) for name in SLOT_TIMEOUTS} == {60.0, 30.0}
    assert (bounded.online, bounded.mqtt_download) == (Timeouts().online, Timeouts().mqtt_download)


@pytest.mark.requirement("R139")
@given(st.integers(0, 10**6), COUNTS)
def test_progress_always_adds_up(total: int, counts: dict[ExecutionStatus, int]) -> None:
    progress = msgspec.structs.asdict(progress_of(total, counts))
    assert progress.pop("total") == max(total, sum(counts.values())) == sum(progress.values())


def test_those_that_run_are_not_counted_though_an_older_version_did() -> None:
    progress = progress_of(3, {ExecutionStatus.RUNNING: 2, ExecutionStatus.FAILED: 1})
    assert (progress.waiting, progress.running, progress.failed) == (2, 0, 1)


@given(st.integers(0, 10), COUNTS)
def test_a_task_is_done_when_nothing_waits_or_runs(waiting: int, counts: dict[ExecutionStatus, int]) -> None:
    progress = progress_of(waiting + sum(counts.values()), counts)
    assert is_done(progress) == (not waiting and not counts.get(ExecutionStatus.RUNNING))


@pytest.mark.parametrize(
    ("counts", "finished", "stopped"),
    [
        ({}, None, None),
        ({"SUCCEEDED": 3}, "SUCCEEDED", "SUCCEEDED"),
        ({"SUCCEEDED": 1, "FAILED": 2}, "PARTIAL", "PARTIAL"),
        ({"FAILED": 2}, "FAILED", "FAILED"),
        ({"STOPPED": 2}, "STOPPED", "STOPPED"),
        # Of a task that was not stopped itself, executions were stopped singly.
        ({"SUCCEEDED": 5, "STOPPED": 1}, "PARTIAL", "STOPPED"),
        ({"FAILED": 5, "STOPPED": 1}, "FAILED", "STOPPED"),
    ],
)
def test_the_result_of_a_task_follows_from_its_progress_and_whether_it_was_stopped(
    counts: dict[str, int], finished: str | None, stopped: str | None
) -> None:
    by_status = {ExecutionStatus(status): number for status, number in counts.items()}
    progress = progress_of(sum(counts.values()), by_status)
    assert result_of(progress, TaskStatus.FINISHED) == finished
    assert result_of(progress, TaskStatus.STOPPED) == stopped


@pytest.mark.requirement("R141", "R142")
def test_only_what_has_ended_may_be_deleted() -> None:
    assert {s for s in TaskStatus if s.is_final} == {TaskStatus.FINISHED, TaskStatus.STOPPED}


@pytest.mark.requirement("R015")
def test_a_device_of_another_product_has_no_capability_for_the_package() -> None:
    snapshot = product().snapshot()
    assert product_for("m", snapshot) == snapshot
    assert product_for("m2", snapshot).firmware_upgrade is False
    assert product_for("m2", snapshot).product_id == "m2"


@pytest.mark.requirement("R012", "R013")
def test_a_capability_without_protocol_is_kept_as_such() -> None:
    snapshot = product(maintenance=Maintenance(firmware_upgrade=True, upgrade_protocol=None)).snapshot()
    assert (snapshot.firmware_upgrade, snapshot.upgrade_protocol) == (True, "")


def test_products_of_devices_that_count_bytes_from_1_say_so() -> None:
    assert product().snapshot().one_based_ranges is False
    assert product(one_based_ranges=True).snapshot().one_based_ranges is True


def test_a_package_that_was_never_verified_has_no_snapshot() -> None:
    with pytest.raises(ValueError, match="no image"):
        package(image_id=None).snapshot()


@pytest.mark.requirement("R117", "R134", "R135")
def test_a_policy_that_is_left_out_is_the_platforms_default() -> None:
    assert Policy().as_record(TaskPolicy).of_executions() == UpgradePolicy()


def test_a_policy_keeps_what_was_asked_for() -> None:
    policy = Policy.model_validate({"max_retries": 5, "end_at": END, "start_at": END.replace(year=2029)})
    kept = policy.as_record(TaskPolicy).of_executions()
    assert (kept.max_retries, kept.end_at) == (5, END)


def new(**policy: Any) -> NewTask:
    return NewTask(
        task_id="t",
        app_id="a",
        name="n",
        package_id="p",
        targets=Targets(group_ids=("g",)),
        policy=TaskPolicy(**policy),
    )


def test_a_task_begins_at_once_unless_it_is_for_later() -> None:
    task = new_task(new(), package(), product(), AT)
    assert (task.status, task.begins_at, task.target_version) == (TaskStatus.EXPANDING, AT, "2.0.0")
    late = new_task(new(start_at=END), package(), product(), AT)
    assert (late.status, late.begins_at) == (TaskStatus.SCHEDULED, END)
    past = new_task(new(start_at=AT.replace(year=2020)), package(), product(), AT)
    assert (past.status, past.begins_at) == (TaskStatus.EXPANDING, AT)


def test_a_task_that_ends_before_it_begins_is_refused() -> None:
    check_end(TaskPolicy(), AT)
    check_end(TaskPolicy(end_at=END), AT)
    with pytest.raises(InvalidError, match="past"):
        check_end(TaskPolicy(end_at=AT), AT)

"""How executions end: each once, with a snapshot, a tombstone, and nothing left behind."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.retries import HEALED_BY_RETRY, is_healed_by_retry

DAY = 86_400.0
ACTIVE = [step for step in Step if step not in (Step.ENDED, Step.QUERY_CELL, Step.CLOSING, Step.RETRY_WAIT)]


@pytest.mark.requirement("R119", "R123")
@pytest.mark.parametrize("step", [step for step in ACTIVE if step is not Step.CANCEL_OBSERVE])
def test_an_execution_can_be_stopped_in_any_step(step: Step, story: Story) -> None:
    if step is Step.AWAIT_ONLINE:
        story.request().deadline()
    else:
        story.reach(step)
    story.stop()
    while story.step is not Step.ENDED:
        story.answer()
    assert (story.status, story.reason) == (ExecutionStatus.STOPPED, "stopped")


@pytest.mark.requirement("R119")
def test_an_execution_that_waits_for_its_next_attempt_can_be_stopped(story: Story) -> None:
    story.reach(Step.QUERY_VERSION, UpgradePolicy(max_retries=1)).tell_no_version()
    assert story.step is Step.RETRY_WAIT
    story.stop()
    assert story.status is ExecutionStatus.STOPPED


def test_a_stop_while_a_failed_attempt_is_being_closed_forbids_the_next(story: Story) -> None:
    story.reach(Step.OBSERVE, UpgradePolicy(max_retries=1)).answer(story.refused("/5/0/3"))
    assert story.step is Step.CLOSING
    story.stop().answer().answer()
    assert story.status is ExecutionStatus.STOPPED


def test_a_stop_during_the_fence_of_a_silent_device_gives_up_its_place_in_the_queue_too(story: Story) -> None:
    story.reach(Step.OBSERVE).asleep().stop().answer()
    assert [r.keep_place for r in story.returns] == [False]


def test_a_stop_after_the_result_comes_too_late(story: Story) -> None:
    story.reach(Step.CANCEL_OBSERVE).stop()
    assert not story.effects
    story.answer()
    assert story.status is ExecutionStatus.SUCCEEDED


@pytest.mark.requirement("D15")
@pytest.mark.parametrize("step", [Step.AWAIT_SLOT, Step.DOWNLOADING])
def test_a_stop_by_the_platform_fails_the_execution_for_its_reason_and_tries_no_more(step: Step, story: Story) -> None:
    story.reach(step, UpgradePolicy(max_retries=1))
    story.feed(ExecutionStopRequested(**story.head(), execution_id="t:d", task_id="t", reason=ReasonCode.KEY_REVOKED))
    while story.step is not Step.ENDED:
        story.answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "key_revoked")


@pytest.mark.requirement("R119")
def test_a_stop_of_an_unknown_execution_is_recorded_and_a_late_request_ignored(story: Story) -> None:
    story.stop()
    assert (story.status, story.snapshot.execution_id, story.snapshot.version) == (
        ExecutionStatus.STOPPED,
        "t:d",
        1,
    )
    story.request()
    assert not story.effects
    assert story.step is Step.ENDED


def test_a_stop_that_comes_twice_is_recorded_once(story: Story) -> None:
    story.stop().stop()
    assert not story.effects
    story.register().request("u").stop("u").stop("u")
    assert not story.effects


@pytest.mark.requirement("R143")
def test_an_execution_of_a_device_that_is_taken_fails_and_the_active_one_goes_on_unharmed(story: Story) -> None:
    story.reach(Step.DOWNLOADING)
    before = story.execution
    story.request("u", policy=UpgradePolicy(max_retries=3))
    (lost,) = story.snapshots
    assert (lost.execution_id, lost.status, lost.version) == ("u:d", ExecutionStatus.FAILED, 1)
    assert lost.reason
    assert lost.reason.code == "task_conflict"
    assert story.execution == before
    story.request("u")
    assert not story.effects
    story.go_on(Step.ENDED)
    assert (story.snapshot.execution_id, story.status) == ("t:d", ExecutionStatus.SUCCEEDED)


@pytest.mark.requirement("R111")
def test_an_execution_of_a_device_with_an_unfinished_command_fails(story: Story) -> None:
    story.command("c1", Read(path="/3/0/0")).request()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "task_conflict")


def test_a_request_that_comes_twice_is_one_execution(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).request()
    assert not story.effects
    story.go_on(Step.ENDED).request()
    assert not story.effects


def test_after_an_execution_has_ended_another_may_follow(story: Story) -> None:
    story.reach(Step.ENDED).request("u").deadline().answer(story.read("/3/0/3", "2.0"))
    assert (story.snapshot.execution_id, story.reason) == ("u:d", "same_version")


def test_tombstones_of_executions_outlive_the_input_topics_and_then_go(story: Story) -> None:
    story.register().request().stop().later(7.9 * DAY).request("u").stop("u")
    assert story.device
    assert list(story.device.ended) == ["t:d", "u:d"]
    story.later(0.2 * DAY).request("v").stop("v")
    assert list(story.device.ended) == ["u:d", "v:d"]


@pytest.mark.parametrize("kind", ["executions", "commands"])
def test_an_execution_is_never_forgotten_before_its_time(kind: str, tell: Callable[..., Story]) -> None:
    story = tell(max_ended=5).register().stop("first")
    for number in range(10):
        if kind == "executions":
            story.stop(f"t{number}")
        else:
            story.command(f"c{number}", Read(path="/3/0/0")).answer(story.read("/3/0/0", "Acme"))
    story.request("first")
    assert not story.effects
    assert story.step is Step.ENDED


def test_of_ended_device_commands_only_so_many_are_remembered_and_the_oldest_go_first(
    tell: Callable[..., Story],
) -> None:
    story = tell(max_ended=5).register()
    for number in range(7):
        story.command(f"c{number}", Read(path="/3/0/0")).answer(story.read("/3/0/0", "Acme"))
    assert story.device
    assert list(story.device.ended_commands) == ["c2", "c3", "c4", "c5", "c6"]
    assert not story.device.ended


@pytest.mark.requirement("R140", "R143")
def test_the_history_tells_every_step_of_every_attempt_with_the_reasons(story: Story) -> None:
    story.reach(Step.QUERY_VERSION, UpgradePolicy(max_retries=1)).tell_no_version()
    story.deadline().go_on(Step.ENDED)
    steps = [
        (entry.attempt, entry.step, entry.reason.code if entry.reason else None) for entry in story.snapshot.history
    ]
    assert steps == [
        (1, Step.WAITING, None),
        (1, Step.AWAIT_ONLINE, None),
        (1, Step.QUERY_VERSION, None),
        (1, Step.RETRY_WAIT, "version_unreadable"),
        (2, Step.AWAIT_ONLINE, None),
        (2, Step.QUERY_VERSION, None),
        (2, Step.QUERY_COVERAGE, None),
        (2, Step.AWAIT_SLOT, None),
        (2, Step.OBSERVE, None),
        (2, Step.DOWNLOADING, None),
        (2, Step.UPDATING, None),
        (2, Step.QUERY_RESULT, None),
        (2, Step.CANCEL_OBSERVE, None),
        (2, Step.ENDED, None),
    ]


def test_the_history_is_bounded_and_keeps_its_beginning(story: Story) -> None:
    story.reach(Step.OBSERVE)
    for _ in range(story.rules.max_slot_yields):
        story.asleep().answer().uplink().grant()
    story.execution.history = story.execution.history[:1] * story.rules.max_history
    story.answer(story.read("/5/0/3", 0), story.changed("/5/0/1"))
    assert len(story.execution.history) == story.rules.max_history
    assert story.execution.history[0].step is Step.WAITING
    assert story.execution.history[-1].step is Step.DOWNLOADING


def test_versions_of_snapshots_grow_by_one_and_the_last_is_final(story: Story) -> None:
    story.reach(Step.ENDED)
    snapshots = story.all(ExecutionChanged)
    assert [s.version for s in snapshots] == list(range(1, len(snapshots) + 1))
    assert [s.status.is_final for s in snapshots] == [False] * (len(snapshots) - 1) + [True]
    assert snapshots[-1].ended_at == utc(story.now)


@pytest.mark.requirement("R118", "R140")
def test_an_upgrade_without_trouble_takes_thirteen_events_and_eight_snapshots(story: Story) -> None:
    story.reach(Step.ENDED)
    registration = 1
    assert len(story.log) - registration == 13
    assert [(s.status.value, s.step.value, s.firmware_state) for s in story.all(ExecutionChanged)] == [
        ("WAITING", "WAITING", None),
        ("RUNNING", "QUERY_VERSION", None),
        ("RUNNING", "AWAIT_SLOT", None),
        ("RUNNING", "DOWNLOADING", 0),
        ("RUNNING", "DOWNLOADING", 1),
        ("RUNNING", "UPDATING", 2),
        ("RUNNING", "UPDATING", 3),
        ("SUCCEEDED", "ENDED", 0),
    ]


@pytest.mark.requirement("R134", "D06")
def test_every_reason_says_whether_another_attempt_can_heal_it() -> None:
    assert set(HEALED_BY_RETRY) == set(ReasonCode)


@pytest.mark.requirement("R134", "D06")
@pytest.mark.parametrize(
    "code",
    [
        "same_version",
        "task_conflict",
        "capability_missing",
        "unsupported_source_version",
        "unsupported_package_type",
        "unsupported_protocol",
        "already_latest",
        "key_revoked",
        "key_deleted",
        "package_deleted",
        "version_below_minimum",
        "version_not_comparable",
        "task_ended",
        "stopped",
        "version_mismatch",
        "update_cancelled",
        "update_deferred",
        "contradictory_result",
    ],
)
def test_what_another_attempt_cannot_heal_is_not_retried(code: str) -> None:
    assert not HEALED_BY_RETRY[ReasonCode(code)]


def test_a_failure_that_only_a_newer_version_knows_is_retried() -> None:
    assert is_healed_by_retry(ReasonCode("quota_exceeded"))


@pytest.mark.parametrize("code", ["integrity_check_failed", "connection_lost", "download_timeout", "low_battery"])
def test_what_may_come_out_otherwise_is_retried(code: str) -> None:
    assert HEALED_BY_RETRY[ReasonCode(code)]

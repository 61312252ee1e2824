"""Reading the version, and what follows from it."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Read, Write
from sluice_common.messages.snapshots import UpgradePolicy

RETRY = UpgradePolicy(max_retries=1)
RESET, NUL = Write(path="/5/0/1", value=""), Write(path="/5/0/0", value="\0", content_format=42)
PACKAGE = (Read(path="/5/0/3"), Read(path="/5/0/5"), Read(path="/5/0/7"))


def package(story: Story, state: int, result: int, version: str) -> tuple[RequestResult, ...]:
    return story.read("/5/0/3", state), story.read("/5/0/5", result), story.read("/5/0/7", version)


@pytest.fixture
def second_attempt(story: Story) -> Story:
    """A device whose first attempt failed while it downloaded; the second one has just read."""
    story.reach(Step.DOWNLOADING, RETRY).notify(1)
    story.later(3600).deadline()
    story.answer(story.read("/5/0/3", 1), story.read("/5/0/5", 0)).answer()
    assert story.step is Step.RETRY_WAIT
    return story.deadline()


@pytest.mark.requirement("R063")
def test_the_firmware_version_is_read_first(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    assert story.requests == (Read(path="/3/0/3"),)
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert (command.execution_id, command.attempt, command.epoch) == ("t:d", 1, 1)
    assert command.command_id == f"t:d:1:{story.offset}"
    assert command.expires_at.timestamp() == story.execution.deadline


@pytest.mark.requirement("R064", "R120")
def test_a_device_with_the_target_version_succeeds_without_an_upgrade(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.read("/3/0/3", "2.0"))
    assert (story.status, story.reason) == (ExecutionStatus.SUCCEEDED, "same_version")
    assert not story.commands


@pytest.mark.requirement("R065")
@pytest.mark.parametrize("version", ["1.0", "3.0", "2.0.1"])
def test_any_other_version_goes_on_even_a_higher_one(version: str, story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.read("/3/0/3", version))
    assert story.step is Step.QUERY_COVERAGE
    assert story.execution.source_version == version


@pytest.mark.requirement("R033")
def test_a_version_that_the_package_does_not_support_fails_with_both_named_and_is_not_retried(story: Story) -> None:
    story.register().request(sources=("1.5*", "1.9"), policy=RETRY).deadline()
    story.answer(story.read("/3/0/3", "1.0"))
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "unsupported_source_version")
    assert story.snapshot.reason
    assert story.snapshot.reason.params == {"current": "1.0", "target": "2.0"}


@pytest.mark.requirement("R033")
def test_a_supported_source_version_goes_on(story: Story) -> None:
    story.register().request(sources=("1.*",)).deadline().answer(story.read("/3/0/3", "1.0"))
    assert story.step is Step.QUERY_COVERAGE


@pytest.mark.parametrize("value", [None, "", "x" * 500])
def test_an_unreadable_version_leads_to_that_of_the_last_package(value: str | None, story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.read("/3/0/3", value))
    assert story.requests == PACKAGE
    story.answer(*package(story, 0, 1, "1.5"))
    assert (story.step, story.execution.source_version) == (Step.QUERY_COVERAGE, "1.5")


def test_a_device_whose_package_version_is_the_target_succeeds(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.refused("/3/0/3")).answer(*package(story, 0, 0, "2.0"))
    assert (story.status, story.reason) == (ExecutionStatus.SUCCEEDED, "same_version")


def test_a_device_with_neither_version_fails_with_code_and_path_of_its_own_version(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.refused("/3/0/3", "4.05"))
    story.answer(story.read("/5/0/3", 0), story.read("/5/0/5", 0), story.refused("/5/0/7", "4.04"))
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "version_unreadable")
    assert story.params == {"code": "4.05", "path": "/3/0/3"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (RequestResult(path="/3/0/3", code="2.05", error="a TLV of type 0"), "a TLV of type 0"),
        (RequestResult(path="/3/0/3", code="2.05", values={"/3/0/3": ""}), "no version of 1 to 128 characters"),
    ],
)
def test_a_version_that_is_not_understood_is_told_as_such(answer: RequestResult, error: str, story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(answer).answer(story.refused("/5/0/3", "4.04"))
    assert story.reason == "version_unreadable"
    assert story.params == {"code": "2.05", "path": "/3/0/3", "error": error}


@pytest.mark.parametrize("code", ["5.03", "4.29"])
def test_a_busy_device_is_asked_for_its_version_after_its_max_age_and_not_before(code: str, story: Story) -> None:
    began = story.reach(Step.QUERY_VERSION).now
    story.answer(story.busy("/3/0/3", 20, code))
    assert (story.snapshot.step, story.commands) == (Step.QUERY_VERSION, [])
    story.later(10).uplink()
    assert not story.commands
    story.deadline()
    assert (story.now, story.requests) == (began + 20, (Read(path="/3/0/3"),))
    story.answer(story.read("/3/0/3", "1.0"))
    assert story.is_at(Step.QUERY_COVERAGE)


def test_a_busy_device_that_falls_asleep_is_asked_at_its_next_uplink(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.busy("/3/0/3", 20)).deregister().deadline()
    assert not story.commands
    story.later(1).uplink()
    assert story.requests == (Read(path="/3/0/3"),)


def test_an_uplink_at_the_end_of_the_wait_asks_a_busy_device_once(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.busy("/3/0/3", 20))
    waited_for = story.execution.deadline
    story.later(20).uplink()
    assert story.requests == (Read(path="/3/0/3"),)
    assert story.execution.deadline > waited_for


def test_a_device_that_is_always_busy_is_asked_as_long_as_the_step_takes_and_then_fails(story: Story) -> None:
    began = story.reach(Step.QUERY_VERSION).now
    for _ in range(3):
        assert story.is_at(Step.QUERY_VERSION)
        story.answer(story.busy("/3/0/3", 55)).deadline()
    story.answer(story.busy("/3/0/3", 55)).answer(story.refused("/5/0/3"))
    assert story.now == began + 165
    assert (story.reason, story.params) == ("version_unreadable", {"code": "5.03", "path": "/3/0/3"})


def test_a_busy_device_that_names_no_time_at_all_is_not_asked_again_at_once(story: Story) -> None:
    began = story.reach(Step.QUERY_VERSION).now
    story.answer(story.busy("/3/0/3", 0)).deadline()
    assert story.now == began + story.rules.least_wait


@pytest.mark.parametrize(("state", "result"), [(1, 0), (2, 0), (3, 0), (0, 8)])
def test_the_version_of_a_package_that_is_not_installed_counts_as_none(state: int, result: int, story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(story.refused("/3/0/3")).answer(*package(story, state, result, "2.0"))
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "version_unreadable")


@pytest.mark.parametrize(("state", "result"), [(1, 0), (0, 8)])
def test_a_further_attempt_knows_what_the_device_ran_before(state: int, result: int, second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.refused("/3/0/3")).answer(*package(story, state, result, "2.0"))
    assert story.requests in ((RESET,), (Read(path="/4/0"),))
    assert story.execution.reported_version == "1.0"


@pytest.mark.requirement("R121")
def test_a_silent_device_is_asked_for_its_version_once_more_and_fails_after_three_minutes(story: Story) -> None:
    began = story.reach(Step.QUERY_VERSION).now
    first = story.last_command.command_id
    story.deadline()
    assert story.requests == (Read(path="/3/0/3"),)
    assert story.last_command.command_id != first
    story.deadline()
    assert story.now == began + 180
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "version_timeout")


def test_a_sleeping_device_is_asked_for_its_version_at_its_next_uplink(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    deadline = story.execution.deadline
    story.asleep()
    assert story.snapshot.step is Step.QUERY_VERSION
    assert story.execution.deadline == deadline
    story.later(20).uplink()
    assert story.requests == (Read(path="/3/0/3"),)


def test_a_deadline_does_not_wake_a_sleeper(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).asleep().deadline()
    assert not story.commands
    assert story.step is Step.QUERY_VERSION


def test_a_stale_command_is_sent_again_at_once_if_the_device_has_registered_anew(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    stale = story.last_command
    story.register(gateway=3)
    assert not story.commands
    story.outcome(stale, OutcomeStatus.STALE)
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert command.epoch == 2


def test_a_stale_command_of_the_registration_that_is_known_waits_for_an_uplink(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).answer(status=OutcomeStatus.STALE)
    assert not story.commands
    story.register()
    assert story.requests == (Read(path="/3/0/3"),)


def test_a_further_attempt_reads_the_state_too(second_attempt: Story) -> None:
    assert second_attempt.requests == (Read(path="/3/0/3"), Read(path="/5/0/3"))


def test_a_further_attempt_of_a_device_that_did_upgrade_after_all_succeeds(second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "2.0"), story.read("/5/0/3", 0))
    assert story.step is Step.CANCEL_OBSERVE
    story.answer()
    assert (story.status, story.reason) == (ExecutionStatus.SUCCEEDED, None)


@pytest.mark.parametrize("state", [0, None])
def test_an_idle_or_mute_device_goes_on(state: int | None, second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", state))
    assert story.step is Step.QUERY_COVERAGE


@pytest.mark.parametrize("state", [1, 2])
def test_a_device_that_is_still_busy_with_the_last_attempt_is_reset(state: int, second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", state))
    assert story.requests == (RESET,)
    story.answer(story.changed("/5/0/1"))
    assert story.step is Step.QUERY_COVERAGE


def test_a_device_that_refuses_an_empty_uri_is_reset_by_a_nul_byte_in_package(second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 2)).answer(story.refused("/5/0/1", "4.00"))
    assert story.requests == (NUL,)
    story.answer(story.changed("/5/0/0"))
    assert story.step is Step.QUERY_COVERAGE


def test_a_busy_device_that_refuses_its_reset_is_awaited(second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 1)).answer(story.refused("/5/0/1"))
    assert NUL in story.requests
    story.answer(story.refused("/5/0/0"))
    assert story.step is Step.QUERY_VERSION
    assert not story.commands
    story.notify(0, attempt=1)
    assert story.requests == (Read(path="/3/0/3"), Read(path="/5/0/3"))
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 0))
    assert story.is_at(Step.QUERY_COVERAGE)


def test_a_device_that_is_still_updating_is_awaited_as_long_as_an_update_may_take(second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 3))
    began = story.now
    assert not story.commands
    story.deadline()
    assert story.requests == (Read(path="/3/0/3"), Read(path="/5/0/3"))
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 3)).deadline()
    assert story.now == began + 1800
    assert story.step is Step.CANCEL_OBSERVE
    story.answer()
    assert story.reason == "update_result_timeout"


def test_a_device_that_registers_after_its_last_update_is_read_again(second_attempt: Story) -> None:
    story = second_attempt
    story.answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 3)).later(60).register()
    story.answer(story.read("/3/0/3", "2.0"), story.read("/5/0/3", 0)).answer()
    assert story.status is ExecutionStatus.SUCCEEDED


def test_a_notification_in_a_first_attempt_changes_nothing(story: Story) -> None:
    story.reach(Step.QUERY_VERSION).notify(2)
    assert story.step is Step.QUERY_VERSION
    assert not story.effects

"""Reading where the device stands, and acting on it."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Execute, Read
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_common.reasons import UPDATE_RESULTS

UPDATE = (Read(path="/3/0/3"), Read(path="/5/0/3"), Read(path="/5/0/5"))


@pytest.fixture
def updated(story: Story) -> Story:
    """A device that has come back after its update and is being read."""
    return story.reach(Step.UPDATING).answer(story.changed("/5/0/2")).notify(3).later(30).register()


@pytest.fixture
def downloading(story: Story) -> Story:
    """A device that stopped its download and is being read."""
    return story.reach(Step.DOWNLOADING).notify(1).notify(0)


def say(story: Story, state: int | None, result: int | None, version: str | None = None) -> Story:
    """The device answers the query."""
    state_and_result = (story.read("/5/0/3", state), story.read("/5/0/5", result))
    if story.execution.attempt.execute_id is None:
        return story.answer(*state_and_result)
    return story.answer(story.read("/3/0/3", version), *state_and_result)


@pytest.mark.requirement("R084", "R085", "R087", "R120")
@pytest.mark.parametrize(("state", "result"), [(0, 1), (0, 0), (3, 0), (None, None)])
def test_the_target_version_is_success_and_returns_the_slot_at_once(
    state: int | None, result: int | None, updated: Story
) -> None:
    grant = updated.execution.grant
    say(updated, state, result, "2.0")
    assert [(r.grant, r.keep_place) for r in updated.returns] == [(grant, False)]
    assert updated.step is Step.CANCEL_OBSERVE
    updated.answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.SUCCEEDED, None)
    assert (updated.snapshot.source_version, updated.snapshot.reported_version) == ("1.0", "2.0")


def test_success_under_another_version_than_the_target_is_one_with_a_note(updated: Story) -> None:
    say(updated, 0, 1, "2.0-rc1").answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.SUCCEEDED, "version_mismatch")


@pytest.mark.requirement("R084", "R087", "R121")
@pytest.mark.parametrize(("result", "code"), list(UPDATE_RESULTS.items()))
def test_each_failed_result_has_its_reason_and_returns_the_slot_at_once(result: int, code: str, updated: Story) -> None:
    say(updated, 0, result, "1.0")
    assert len(updated.returns) == 1
    updated.answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, code)


@pytest.mark.parametrize(("version", "result", "retries"), [("2.0", 1, 0), ("1.0", 8, 0), ("1.0", 8, 1)])
def test_the_image_of_an_update_that_has_ended_is_served_no_more(
    version: str, result: int, retries: int, updated: Story
) -> None:
    updated.execution.policy = UpgradePolicy(max_retries=retries)
    say(updated, 0, result, version)
    (close,) = updated.closes
    assert (close.execution_id, close.attempt) == ("t:d", 1)
    assert len({c.command_id for c in updated.commands}) == len(updated.commands)
    assert len(updated.returns) == 1


def test_a_result_left_over_from_an_older_update_is_no_proof_that_nothing_is_fetched(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline()
    say(story, 0, 8)
    assert story.step is Step.CLOSING
    assert not story.returns
    story.answer()
    assert len(story.returns) == 1
    assert not story.closes


def test_a_failed_result_read_before_the_download_should_have_begun_is_no_verdict(story: Story) -> None:
    story.reach(Step.DOWNLOADING).register()
    say(story, 0, 8)
    assert story.step is Step.DOWNLOADING
    story.notify(1).notify(0)
    say(story, 0, 8)
    assert story.is_at(Step.CLOSING)


def test_a_failed_result_read_before_the_execute_was_sent_needs_a_fence(story: Story) -> None:
    story.reach(Step.UPDATING).asleep().deadline().uplink()
    say(story, 2, 8, "1.0")
    assert story.step is Step.CLOSING
    assert not story.returns


def test_state_two_with_result_eight_is_a_failed_update_of_liteos(updated: Story) -> None:
    say(updated, 2, 8, "1.0").answer()
    assert updated.reason == "firmware_update_failed"


@pytest.mark.requirement("R081", "R121")
@pytest.mark.parametrize(("result", "code"), list(UPDATE_RESULTS.items()))
def test_a_failed_download_has_its_reason_and_returns_the_slot_once_it_is_fenced(
    result: int, code: str, downloading: Story
) -> None:
    say(downloading, 0, result)
    assert len(downloading.closes) == 1
    assert not downloading.returns
    downloading.answer()
    assert len(downloading.returns) == 1
    downloading.answer()
    assert (downloading.status, downloading.reason) == (ExecutionStatus.FAILED, code)


def test_an_update_that_goes_on_is_awaited_further(updated: Story) -> None:
    say(updated, 3, 0, "1.0")
    assert updated.step is Step.UPDATING
    assert not updated.commands
    updated.notify(0)
    assert updated.requests == UPDATE


def test_a_notification_during_the_result_query_has_the_result_read_anew(updated: Story) -> None:
    query = updated.last_command
    updated.notify(0)
    assert not updated.commands
    results = (updated.read("/3/0/3", "1.0"), updated.read("/5/0/3", 3), updated.read("/5/0/5", 0))
    updated.outcome(query, results=results)
    assert updated.requests == UPDATE


def test_a_device_without_a_verdict_is_asked_once_more_and_then_has_lost_its_update(updated: Story) -> None:
    say(updated, 0, 0, "1.0")
    assert updated.step is Step.QUERY_RESULT
    assert not updated.commands
    updated.deadline()
    assert updated.requests == UPDATE
    say(updated, 0, 0, "1.0")
    assert updated.is_at(Step.CLOSING)
    updated.answer().answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, "version_mismatch")
    assert updated.snapshot.reason
    assert updated.snapshot.reason.params == {"current": "1.0", "target": "2.0"}


def test_a_device_without_a_version_is_asked_for_that_of_the_package(updated: Story) -> None:
    say(updated, 0, 0, None)
    assert updated.requests == (Read(path="/5/0/7"),)
    updated.answer(updated.read("/5/0/7", "2.0"))
    assert updated.step is Step.CANCEL_OBSERVE
    updated.answer()
    assert (updated.status, updated.snapshot.reported_version) == (ExecutionStatus.SUCCEEDED, "2.0")


@pytest.mark.parametrize(("version", "code"), [(None, "version_check_timeout"), ("1.0", "version_mismatch")])
def test_a_device_without_any_version_is_asked_once_more(version: str | None, code: str, updated: Story) -> None:
    say(updated, 0, 0, None).answer(updated.read("/5/0/7", version))
    assert updated.step is Step.QUERY_RESULT
    updated.deadline()
    say(updated, 0, 0, None).answer(updated.read("/5/0/7", version))
    assert updated.is_at(Step.CLOSING)
    updated.answer().answer()
    assert updated.reason == code


@pytest.mark.parametrize(("state", "result"), [(3, 0), (2, 0), (0, 8), (0, 1)])
def test_the_packages_version_is_not_read_when_the_device_gave_its_verdict(
    state: int, result: int, updated: Story
) -> None:
    say(updated, state, result, None)
    assert updated.step is not Step.QUERY_RESULT


def test_a_notification_while_the_packages_version_is_read_makes_that_outdated(updated: Story) -> None:
    say(updated, 0, 0, None).notify(3).answer(updated.read("/5/0/7", "2.0"))
    assert updated.requests == UPDATE


def test_a_verdict_that_comes_late_is_taken(updated: Story) -> None:
    say(updated, 0, 0, "1.0").notify(0)
    assert updated.requests == UPDATE
    say(updated, 0, 1, "2.0").answer()
    assert updated.status is ExecutionStatus.SUCCEEDED


def test_an_unanswered_query_is_repeated_and_then_the_update_is_awaited_further(updated: Story) -> None:
    began = updated.now
    updated.timed_out().deadline()
    assert updated.requests == UPDATE
    updated.deadline()
    assert updated.now == began + 180
    assert updated.step is Step.UPDATING
    assert not updated.returns


def test_the_result_query_is_sent_even_to_a_device_that_is_taken_for_asleep(updated: Story) -> None:
    updated.timed_out().deregister().deadline()
    assert updated.requests == UPDATE


def test_a_result_query_that_met_a_sleeping_device_is_repeated_at_its_uplink(updated: Story) -> None:
    updated.asleep().later(10).uplink()
    assert updated.requests == UPDATE


@pytest.mark.requirement("R121", "R122")
def test_a_silent_device_at_the_end_of_the_update_time_fails_by_version_check_timeout(updated: Story) -> None:
    updated.timed_out().deadline().deadline()
    assert updated.step is Step.UPDATING
    updated.deadline()
    assert updated.is_at(Step.QUERY_RESULT)
    updated.deadline().deadline()
    assert updated.is_at(Step.CLOSING)
    updated.answer().deadline()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, "version_check_timeout")


@pytest.mark.requirement("R121", "R122")
def test_a_device_still_updating_at_the_end_of_the_update_time_fails_by_result_timeout(updated: Story) -> None:
    say(updated, 3, 0, "1.0").deadline()
    say(updated, 3, 0, "1.0").answer().answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, "update_result_timeout")


@pytest.mark.requirement("R121")
def test_an_execute_without_effect_fails_when_it_should_have_had_one(story: Story) -> None:
    story.reach(Step.UPDATING).timed_out().deadline()
    say(story, 2, 0, "1.0").answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "update_start_timeout")


def test_an_execute_without_effect_is_given_the_time_to_have_one(story: Story) -> None:
    deadline = story.reach(Step.UPDATING).execution.deadline
    story.register()
    say(story, 2, 0, "1.0")
    assert (story.step, story.execution.deadline) == (Step.UPDATING, deadline)


def test_a_silent_device_is_taken_to_be_updating_until_the_time_is_over(story: Story) -> None:
    story.reach(Step.UPDATING).timed_out().deadline().deadline().deadline()
    assert story.step is Step.UPDATING
    assert story.execution.deadline == story.execution.attempt.update_by


@pytest.mark.requirement("R121")
def test_a_download_that_did_not_begin_in_time_fails(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline()
    say(story, 0, 0)
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "download_start_timeout")


def test_a_download_that_began_unnoticed_goes_on(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline()
    say(story, 1, 0)
    assert story.step is Step.DOWNLOADING
    assert story.execution.deadline == story.execution.attempt.not_after
    assert story.snapshot.firmware_state == 1


def test_a_download_that_ended_unnoticed_is_executed(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline()
    say(story, 2, 0)
    assert story.step is Step.UPDATING
    assert story.requests == (Execute(path="/5/0/2"),)


@pytest.mark.requirement("R121", "R122")
@pytest.mark.parametrize("answered", [True, False])
def test_a_download_that_takes_too_long_fails_and_needs_no_fence(answered: bool, story: Story) -> None:
    story.reach(Step.DOWNLOADING, UpgradePolicy(max_retries=1)).notify(1).deadline()
    if answered:
        say(story.later(3), 1, 0)
    else:
        story.deadline().deadline()
    assert len(story.returns) == 1
    assert not story.closes
    assert (story.step, story.reason) == (Step.RETRY_WAIT, "download_timeout")


def test_a_download_that_stopped_without_a_reason_has_lost_its_connection(downloading: Story) -> None:
    say(downloading, 0, 0)
    assert downloading.step is Step.CLOSING
    downloading.answer().answer()
    assert downloading.reason == "connection_lost"


def test_a_device_that_was_never_downloading_is_awaited_until_it_should_have_begun(story: Story) -> None:
    deadline = story.reach(Step.DOWNLOADING).execution.deadline
    story.notify(0)
    say(story, 0, 0)
    assert (story.step, story.execution.deadline) == (Step.DOWNLOADING, deadline)


def test_a_download_that_begins_during_the_result_query_is_not_taken_for_a_lost_connection(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline().notify(1)
    say(story, 0, 0)
    assert story.step is Step.QUERY_RESULT
    say(story, 1, 0)
    assert story.is_at(Step.DOWNLOADING)


def test_a_refused_result_query_changes_nothing(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).register().answer(story.refused("/5/0/3"))
    assert story.step is Step.DOWNLOADING

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


def test_a_success_under_another_version_is_one_with_a_note(updated: Story) -> None:
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


def test_until_a_download_should_have_begun_it_is_no_verdict_at_all(story: Story) -> None:
    story.reach(Step.DOWNLOADING).register()
    say(story, 0, 8)
    assert story.step is Step.DOWNLOADING
    story.notify(1).notify(0)
    say(story, 0, 8)
    assert story.is_at(Step.CLOSING)


def test_so_is_a_result_from_before_an_execute_that_was_never_sent(story: Story) -> None:
    story.reach(Step.UPDATING).asleep().deadline().uplink()
    say(story, 2, 8, "1.0")
    assert story.step is Step.CLOSING
    assert not story.returns


def test_liteos_says_so_with_state_two(updated: Story) -> None:
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


def test_news_during_the_query_is_read_anew(updated: Story) -> None:
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
def test_one_that_does_not_say_so_there_either_is_asked_once_more(
    version: str | None, code: str, updated: Story
) -> None:
    say(updated, 0, 0, None).answer(updated.read("/5/0/7", version))
    assert updated.step is Step.QUERY_RESULT
    updated.deadline()
    say(updated, 0, 0, None).answer(updated.read("/5/0/7", version))
    assert updated.is_at(Step.CLOSING)
    updated.answer().answer()
    assert updated.reason == code


@pytest.mark.parametrize(("state", "result"), [(3, 0), (2, 0), (0, 8), (0, 1)])
def test_nothing_more_is_asked_of_a_device_that_has_said_enough(state: int, result: int, updated: Story) -> None:
    say(updated, state, result, None)
    assert updated.step is not Step.QUERY_RESULT


def test_news_meanwhile_makes_the_packages_version_old(updated: Story) -> None:
    say(updated, 0, 0, None).notify(3).answer(updated.read("/5/0/7", "2.0"))
    assert updated.requests == UPDATE


def test_its_late_verdict_is_taken(updated: Story) -> None:
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


def test_whether_a_device_is_asleep_is_for_the_gateway_to_say(updated: Story) -> None:
    updated.timed_out().deregister().deadline()
    assert updated.requests == UPDATE


def test_a_query_that_met_a_sleeper_is_repeated_at_its_uplink(updated: Story) -> None:
    updated.asleep().later(10).uplink()
    assert updated.requests == UPDATE


@pytest.mark.requirement("R121", "R122")
def test_when_the_time_is_over_and_nobody_answers_the_check_has_timed_out(updated: Story) -> None:
    updated.timed_out().deadline().deadline()
    assert updated.step is Step.UPDATING
    updated.deadline()
    assert updated.is_at(Step.QUERY_RESULT)
    updated.deadline().deadline()
    assert updated.is_at(Step.CLOSING)
    updated.answer().deadline()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, "version_check_timeout")


@pytest.mark.requirement("R121", "R122")
def test_when_the_time_is_over_and_it_still_updates_the_result_has_timed_out(updated: Story) -> None:
    say(updated, 3, 0, "1.0").deadline()
    say(updated, 3, 0, "1.0").answer().answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, "update_result_timeout")


@pytest.mark.requirement("R121")
def test_an_execute_without_effect_fails_when_it_should_have_had_one(story: Story) -> None:
    story.reach(Step.UPDATING).timed_out().deadline()
    say(story, 2, 0, "1.0").answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "update_start_timeout")


def test_before_that_it_is_given_the_time(story: Story) -> None:
    deadline = story.reach(Step.UPDATING).execution.deadline
    story.register()
    say(story, 2, 0, "1.0")
    assert (story.step, story.execution.deadline) == (Step.UPDATING, deadline)


def test_a_silent_device_may_be_updating(story: Story) -> None:
    story.reach(Step.UPDATING).timed_out().deadline().deadline().deadline()
    assert story.step is Step.UPDATING
    assert story.execution.deadline == story.execution.attempt.update_by


@pytest.mark.requirement("R121")
def test_a_download_that_did_not_begin_fails(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline()
    say(story, 0, 0)
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "download_start_timeout")


def test_one_that_began_unnoticed_goes_on(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline()
    say(story, 1, 0)
    assert story.step is Step.DOWNLOADING
    assert story.execution.deadline == story.execution.attempt.not_after
    assert story.snapshot.firmware_state == 1


def test_one_that_ended_unnoticed_is_executed(story: Story) -> None:
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


def test_one_that_stopped_without_a_reason_has_lost_its_connection(downloading: Story) -> None:
    say(downloading, 0, 0)
    assert downloading.step is Step.CLOSING
    downloading.answer().answer()
    assert downloading.reason == "connection_lost"


def test_one_that_was_never_at_work_waits_for_its_start(story: Story) -> None:
    deadline = story.reach(Step.DOWNLOADING).execution.deadline
    story.notify(0)
    say(story, 0, 0)
    assert (story.step, story.execution.deadline) == (Step.DOWNLOADING, deadline)


def test_news_of_a_start_during_the_query_is_not_taken_for_a_loss(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deadline().notify(1)
    say(story, 0, 0)
    assert story.step is Step.QUERY_RESULT
    say(story, 1, 0)
    assert story.is_at(Step.DOWNLOADING)


def test_a_refused_query_tells_nothing(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).register().answer(story.refused("/5/0/3"))
    assert story.step is Step.DOWNLOADING

"""Reading where the device stands, and acting on it."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus, ResourceValue
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Execute, Observe, Read
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_common.reasons import UPDATE_RESULTS, ReasonCode
from sluice_rules.devices.effects import ToGateway

FAILURES = [(number, code) for number, code in UPDATE_RESULTS.items() if code is not ReasonCode.UPDATE_DEFERRED]
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


@pytest.mark.parametrize(("state", "step"), [(0, Step.CLOSING), (1, Step.DOWNLOADING), (2, Step.UPDATING)])
def test_a_device_that_accepts_to_be_observed_without_telling_its_state_is_asked_for_it(
    state: int, step: Step, downloading: Story
) -> None:
    downloading.answer(downloading.read("/5/0/3", None), downloading.read("/5/0/5", 0))
    assert downloading.requests == (Read(path="/5/0/5"), Read(path="/5/0/3"))
    downloading.answer(downloading.read("/5/0/5", 0), downloading.read("/5/0/3", state))
    assert downloading.step is step


def test_a_device_that_tells_its_state_in_no_way_is_not_asked_again_and_again(downloading: Story) -> None:
    downloading.answer(downloading.read("/5/0/3", None), downloading.read("/5/0/5", 0))
    downloading.answer(downloading.read("/5/0/5", 0), downloading.refused("/5/0/3", "4.04"))
    assert downloading.step is Step.DOWNLOADING
    assert not downloading.commands


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


@pytest.mark.requirement("R084")
@pytest.mark.parametrize(("result", "name"), [(8, "firmware_update_failed"), (42, "unknown_update_result")])
def test_a_failed_result_beside_the_target_version_is_told_with_its_number(
    result: int, name: str, updated: Story
) -> None:
    say(updated, 0, result, "2.0").answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.SUCCEEDED, "contradictory_result")
    assert updated.params == {"result": str(result), "name": name}


def test_an_update_that_the_user_has_deferred_is_awaited_for_the_time_of_an_update(updated: Story) -> None:
    execution = updated.execution.attempt
    say(updated, 2, 11, "1.0")
    assert (updated.step, updated.execution.deadline) == (Step.UPDATING, execution.update_by)
    updated.later(600).register()
    say(updated, 0, 1, "2.0").answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.SUCCEEDED, None)


def test_an_update_that_is_deferred_for_longer_than_it_may_take_has_failed_for_that_reason(updated: Story) -> None:
    say(updated, 2, 11, "1.0").deadline()
    say(updated, 2, 11, "1.0").answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, "update_deferred")
    assert updated.params == {"result": "11"}


@pytest.mark.parametrize("state", [0, 2])
def test_a_device_that_refuses_its_version_after_the_update_is_still_asked_for_its_result(
    state: int, updated: Story
) -> None:
    updated.answer(updated.refused("/3/0/3", "4.05"))
    assert updated.requests == (Read(path="/5/0/3"), Read(path="/5/0/5"))
    updated.answer(updated.read("/5/0/3", state), updated.read("/5/0/5", 8)).answer()
    assert updated.reason == "firmware_update_failed"


def test_a_busy_device_is_asked_for_its_result_after_its_max_age(updated: Story) -> None:
    began = updated.now
    updated.answer(updated.read("/3/0/3", "2.0"), updated.busy("/5/0/3", 25)).notify(0)
    assert not updated.commands
    updated.deadline()
    assert (updated.now, updated.requests) == (began + 25, UPDATE)


def test_success_under_another_version_than_the_target_is_one_with_a_note(updated: Story) -> None:
    say(updated, 0, 1, "2.0-rc1").answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.SUCCEEDED, "version_mismatch")


@pytest.mark.requirement("R084", "R087", "R121")
@pytest.mark.parametrize(("result", "code"), [*FAILURES, (42, "unknown_update_result")])
def test_each_failed_result_has_its_reason_and_returns_the_slot_at_once(result: int, code: str, updated: Story) -> None:
    say(updated, 0, result, "1.0")
    assert len(updated.returns) == 1
    updated.answer()
    assert (updated.status, updated.reason) == (ExecutionStatus.FAILED, code)
    assert updated.params == {"result": str(result)}


@pytest.mark.parametrize(("version", "result", "retries"), [("2.0", 1, 0), ("1.0", 8, 0), ("1.0", 8, 1)])
def test_the_image_of_an_update_that_has_ended_is_served_no_more(
    version: str, result: int, retries: int, updated: Story
) -> None:
    updated.execution.policy = UpgradePolicy(max_retries=retries)
    say(updated, 0, result, version)
    (close,) = updated.closes
    assert (close.execution_id, close.attempt, close.is_awaited) == ("t:d", 1, False)
    assert len({c.command_id for c in updated.commands}) == len(updated.commands)
    assert len(updated.returns) == 1


def test_a_result_left_over_from_an_older_update_is_no_proof_that_nothing_is_fetched(story: Story) -> None:
    story.reach(Step.OBSERVE).accept_uri(result=8).deadline()
    say(story, 0, 8)
    assert story.step is Step.CLOSING
    assert not story.returns
    story.answer()
    assert len(story.returns) == 1
    assert not story.closes
    story.answer()
    assert story.reason == "download_start_timeout"


@pytest.mark.parametrize("moment", ["notified", "registered"])
def test_a_result_left_over_from_an_older_update_is_no_verdict_before_the_download_has_begun(
    moment: str, story: Story
) -> None:
    story.reach(Step.OBSERVE).accept_uri(result=8)
    (story.notify(0) if moment == "notified" else story.register())
    say(story, 0, 8)
    assert story.step is Step.DOWNLOADING
    story.notify(1).notify(0)
    say(story, 0, 8)
    assert story.is_at(Step.CLOSING)


@pytest.mark.parametrize("before", [0, 1, 5, "5"])
@pytest.mark.parametrize("moment", ["notified", "registered", "deadline"])
def test_a_device_that_flashes_by_its_states_has_failed_at_once_by_a_result_that_is_new(
    before: ResourceValue, moment: str, story: Story
) -> None:
    story.reach(Step.OBSERVE).accept_uri(result=before)
    {"notified": lambda: story.notify(0), "registered": story.register, "deadline": story.deadline}[moment]()
    say(story, 0, 7)
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.reason, story.params) == ("invalid_uri", {"result": "7"})


def test_a_failed_result_of_a_device_that_did_not_tell_the_one_before_is_taken_when_it_should_have_begun(
    story: Story,
) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", 0), story.refused("/5/0/5")).answer(story.changed("/5/0/1"))
    story.notify(0)
    say(story, 0, 7)
    assert story.step is Step.DOWNLOADING
    story.deadline()
    say(story, 0, 7).answer().answer()
    assert story.reason == "invalid_uri"


def test_a_device_that_has_updated_by_itself_unseen_is_asked_for_its_version_and_not_told_to_update(
    story: Story,
) -> None:
    story.reach(Step.DOWNLOADING).notify(0)
    say(story, 0, 1)
    assert story.requests == UPDATE
    say(story, 0, 1, "2.0").answer()
    assert (story.status, story.reason) == (ExecutionStatus.SUCCEEDED, None)
    assert not [c for c in story.all(ToGateway) if Execute(path="/5/0/2") in getattr(c.command, "requests", ())]


@pytest.mark.parametrize("state", [1, 2, 3])
def test_a_state_from_before_the_uri_is_neither_a_start_nor_an_image(state: int, story: Story) -> None:
    began = story.reach(Step.OBSERVE).accept_uri(state).now
    story.deadline()
    assert story.now == began + 300
    say(story, state, 0)
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert story.reason == "download_start_timeout"


@pytest.mark.parametrize("state", [1, 2])
def test_a_state_from_before_the_uri_counts_once_a_block_was_asked_for(state: int, story: Story) -> None:
    story.reach(Step.OBSERVE).accept_uri(state).deadline()
    story.outcome(story.last_command, results=(story.read("/5/0/3", state), story.read("/5/0/5", 0)), fetching=True)
    assert story.step is (Step.DOWNLOADING if state == 1 else Step.UPDATING)
    assert story.execution.deadline != story.execution.attempt.start_by


def test_a_state_from_before_the_uri_counts_once_another_was_told_between(story: Story) -> None:
    story.reach(Step.OBSERVE).accept_uri(2).notify(0)
    say(story, 0, 0).notify(2)
    assert story.requests == (Execute(path="/5/0/2"),)


def test_an_image_from_before_the_uri_is_not_installed_when_its_state_is_notified_again(story: Story) -> None:
    story.reach(Step.OBSERVE).accept_uri(2).notify(2)
    say(story, 2, 0)
    assert story.step is Step.DOWNLOADING
    assert not story.commands


def test_a_failed_result_read_before_the_execute_was_sent_needs_a_fence(story: Story) -> None:
    story.reach(Step.UPDATING).asleep().deadline().uplink()
    say(story, 2, 8, "1.0")
    assert story.step is Step.CLOSING
    assert not story.returns


def test_state_two_with_result_eight_is_a_failed_update_of_liteos(updated: Story) -> None:
    say(updated, 2, 8, "1.0").answer()
    assert updated.reason == "firmware_update_failed"


@pytest.mark.requirement("R081", "R121")
@pytest.mark.parametrize(("result", "code"), [*FAILURES, (42, "unknown_update_result")])
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
    assert downloading.params == {"result": str(result)}


def test_an_update_that_goes_on_after_a_registration_is_observed_anew_and_awaited_further(updated: Story) -> None:
    say(updated, 3, 0, "1.0")
    assert updated.step is Step.UPDATING
    assert Observe(path="/5/0/3") in updated.requests
    updated.answer(updated.read("/5/0/3", 3))
    assert not updated.commands
    updated.uplink()
    assert not updated.commands
    updated.notify(0)
    assert updated.requests == UPDATE


def test_an_update_that_ends_while_the_device_is_observed_anew_is_read_at_once(updated: Story) -> None:
    say(updated, 3, 0, "1.0").answer(updated.read("/5/0/3", 0))
    assert updated.requests == UPDATE


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.STALE, OutcomeStatus.TIMEOUT])
def test_no_execute_follows_an_observation_that_could_not_be_renewed(status: OutcomeStatus, updated: Story) -> None:
    say(updated, 3, 0, "1.0").answer(status=status).uplink()
    assert Execute(path="/5/0/2") not in [r for c in updated.commands for r in getattr(c, "requests", ())]
    assert not updated.execution.attempt.unsent


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


@pytest.mark.parametrize("state", [0, 1])
def test_a_notification_that_says_what_the_answer_says_is_no_news(state: int, story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).register().notify(state)
    assert not story.commands
    say(story, state, 0)
    assert story.step is (Step.DOWNLOADING if state else Step.CLOSING)


def test_a_download_notified_after_the_execute_is_late(updated: Story) -> None:
    updated.notify(1)
    assert (updated.commands, updated.snapshots) == ([], [])
    say(updated, 0, 1, "2.0")
    assert updated.step is Step.CANCEL_OBSERVE


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

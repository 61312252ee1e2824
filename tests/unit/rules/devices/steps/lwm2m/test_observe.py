"""Observing the device and giving it the Package URI."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Observe, Read, Write, WritePackageUri
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.attempt import SlotState

OBSERVE, RESULT = Observe(path="/5/0/3"), Read(path="/5/0/5")
EMPTY_URI, NUL = Write(path="/5/0/1", value=""), Write(path="/5/0/0", value="\0", content_format=42)


def uri(story: Story) -> WritePackageUri:
    return WritePackageUri(image_id="i", image_size=65_536, not_after=utc(story.execution.attempt.not_after))


@pytest.mark.requirement("R078", "R079")
def test_a_grant_sends_observe_a_read_of_the_result_and_the_package_uri_in_one_command(story: Story) -> None:
    story.reach(Step.OBSERVE)
    assert story.requests == (OBSERVE, RESULT, uri(story))


@pytest.mark.requirement("R079", "R122")
def test_the_image_token_ends_with_the_download_deadline(story: Story, policy: Callable[..., UpgradePolicy]) -> None:
    story.reach(Step.OBSERVE, policy(download=900.0))
    assert uri(story).not_after == utc(story.now + 900)


@pytest.mark.requirement("R087")
def test_the_slot_is_held_from_the_grant_on(story: Story) -> None:
    story.reach(Step.OBSERVE)
    assert story.execution.attempt.slot is SlotState.HELD
    assert not story.returns


def test_acceptance_of_observe_and_package_uri_leads_to_the_download(story: Story) -> None:
    story.reach(Step.OBSERVE).accept_uri()
    assert story.step is Step.DOWNLOADING


@pytest.mark.parametrize("silence", ["asleep", "timeout", "deadline"])
def test_a_grantee_that_does_not_answer_is_fenced_and_then_returns_its_slot_but_keeps_its_place(
    silence: str, story: Story
) -> None:
    began = story.reach(Step.OBSERVE, UpgradePolicy(max_retries=1)).now
    grant = story.execution.grant
    if silence == "deadline":
        story.deadline()
        assert story.now == began + 30
    else:
        story.answer(status=OutcomeStatus(silence))
    assert story.step is Step.CLOSING
    assert len(story.closes) == 1
    assert not story.returns
    story.answer()
    assert [(r.grant, r.keep_place) for r in story.returns] == [(grant, True)]
    assert (story.step, story.execution.attempt.number) == (Step.AWAIT_SLOT, 1)
    assert not story.asks


def test_a_device_that_lost_its_slot_by_silence_asks_again_at_its_next_uplink(story: Story) -> None:
    story.reach(Step.OBSERVE).asleep().answer().later(600).uplink()
    assert len(story.asks) == 1
    story.grant()
    assert story.requests == (OBSERVE, RESULT, uri(story))


def test_a_silent_device_that_sends_an_uplink_during_its_fence_asks_for_a_slot_again_at_once(story: Story) -> None:
    story.reach(Step.OBSERVE).asleep().uplink().answer()
    assert story.step is Step.AWAIT_SLOT
    assert len(story.asks) == 1
    assert story.asks[0].grant.ask_no > story.returns[0].grant.ask_no


def test_a_device_whose_command_was_too_late_to_be_sent_asks_for_a_slot_again_at_once_but_only_once(
    story: Story,
) -> None:
    story.reach(Step.OBSERVE).answer(status=OutcomeStatus.STALE).answer()
    assert [r.keep_place for r in story.returns] == [True]
    assert len(story.asks) == 1
    story.grant().answer(status=OutcomeStatus.STALE).answer()
    assert story.step is Step.AWAIT_SLOT
    assert not story.asks


@pytest.mark.parametrize("status", [OutcomeStatus.DONE, OutcomeStatus.STALE])
@pytest.mark.parametrize("is_fenced", [False, True])
def test_a_device_whose_answer_comes_after_its_deadline_asks_for_a_slot_again_at_once(
    status: OutcomeStatus, is_fenced: bool, story: Story
) -> None:
    late = story.reach(Step.OBSERVE).last_command
    story.deadline()
    if is_fenced:
        story.answer()
        assert not story.asks
        story.outcome(late, status)
    else:
        story.outcome(late, status).answer()
    assert story.step is Step.AWAIT_SLOT
    assert len(story.asks) == 1


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.TIMEOUT])
def test_a_late_outcome_that_the_device_is_silent_changes_nothing(status: OutcomeStatus, story: Story) -> None:
    late = story.reach(Step.OBSERVE).last_command
    story.deadline().answer().outcome(late, status)
    assert not story.effects


@pytest.mark.parametrize("awake_for", [-1.0, 0.0, 60.0])
def test_a_late_outcome_of_a_device_that_is_still_awake_gives_it_another_slot(awake_for: float, story: Story) -> None:
    late = story.reach(Step.OBSERVE).last_command
    story.deadline().answer().deregister().outcome(late, OutcomeStatus.TIMEOUT, awake_for=awake_for)
    assert len(story.asks) == (awake_for > 0)


def test_a_device_that_answered_too_late_for_its_uri_asks_for_a_slot_again_at_once_but_only_once(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", 0), status=OutcomeStatus.TIMEOUT).answer()
    assert len(story.asks) == 1
    story.grant().answer(story.read("/5/0/3", 0), status=OutcomeStatus.TIMEOUT).answer()
    assert not story.asks


def test_a_device_that_wastes_slots_again_and_again_fails(tell: Callable[..., Story]) -> None:
    story = tell(max_slot_yields=2).reach(Step.OBSERVE)
    for _ in range(2):
        story.asleep().answer().uplink().grant()
    story.asleep().answer().asleep()
    assert story.step is Step.ENDED
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "device_offline")


def test_a_command_that_missed_a_new_registration_is_sent_again_under_the_same_slot(story: Story) -> None:
    story.reach(Step.OBSERVE)
    stale, token = story.last_command, uri(story)
    story.register().outcome(stale, OutcomeStatus.STALE)
    assert story.requests == (OBSERVE, RESULT, token)
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert command.epoch == 2
    assert not story.returns


def test_a_device_that_refuses_to_be_observed_fails_with_code_and_path(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.refused("/5/0/3", "4.04")).answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "observe_failed")
    assert story.params == {"code": "4.04", "path": "/5/0/3"}


def test_an_answer_to_observe_that_is_not_understood_is_told_as_such(story: Story) -> None:
    answer = RequestResult(path="/5/0/3", code="2.05", error="a TLV of type 0")
    story.reach(Step.OBSERVE).answer(answer).answer().answer()
    assert story.reason == "observe_failed"
    assert story.params == {"code": "2.05", "path": "/5/0/3", "error": "a TLV of type 0"}


def test_an_observation_without_a_value_stands(story: Story) -> None:
    story.reach(Step.OBSERVE)
    story.answer(RequestResult(path="/5/0/3", code="2.05"), story.read("/5/0/5", 0), story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING


def test_a_device_that_does_not_tell_its_result_is_given_the_uri_all_the_same(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", 0), story.refused("/5/0/5", "4.04"))
    assert story.requests == (uri(story),)
    story.answer(story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING


def test_a_device_that_refuses_the_uri_fails_with_code_and_path(story: Story) -> None:
    story.reach(Step.OBSERVE).refuse_uri(code="4.00")
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "package_uri_refused")
    assert story.params == {"code": "4.00", "path": "/5/0/1"}


@pytest.mark.parametrize("state", [1, 2])
def test_a_device_that_is_busy_with_an_older_download_is_reset_by_an_empty_uri(state: int, story: Story) -> None:
    story.reach(Step.OBSERVE).refuse_uri(state)
    assert story.requests == (EMPTY_URI, uri(story))
    story.answer(story.changed("/5/0/1"), story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING


def test_a_device_that_is_observed_without_telling_its_state_gets_its_uri_and_is_not_asked_for_the_state(
    story: Story,
) -> None:
    story.reach(Step.OBSERVE).accept_uri(None)
    assert story.step is Step.DOWNLOADING
    assert not story.commands


def test_a_device_that_did_not_tell_its_state_and_refuses_its_uri_is_asked_for_the_state_before_it_is_reset(
    story: Story,
) -> None:
    story.reach(Step.OBSERVE).refuse_uri(None)
    assert [*story.requests] == [Read(path="/5/0/3")]
    story.answer(story.read("/5/0/3", 2))
    assert [*story.requests] == [EMPTY_URI, uri(story)]
    story.answer(story.changed("/5/0/1"), story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING


def test_a_device_that_did_not_tell_that_it_is_idle_is_not_reset(story: Story) -> None:
    story.reach(Step.OBSERVE).refuse_uri(None, "4.00").answer(story.read("/5/0/3", 0)).answer().answer()
    assert (story.reason, story.params) == ("package_uri_refused", {"code": "4.00", "path": "/5/0/1"})


def test_a_device_that_tells_its_state_in_no_way_is_asked_for_it_once_and_reset(story: Story) -> None:
    story.reach(Step.OBSERVE).refuse_uri(None).answer(story.refused("/5/0/3", "4.04"))
    assert story.requests == (EMPTY_URI, uri(story))
    story.answer(story.refused("/5/0/1")).answer(story.refused("/5/0/0")).answer().answer()
    assert (story.reason, story.params) == ("package_uri_refused", {"code": "4.05", "path": "/5/0/1"})


@pytest.mark.parametrize("accepts_empty_uri", [False, True])
@pytest.mark.parametrize("state", [1, 2])
def test_a_device_that_an_empty_uri_does_not_reset_is_reset_by_a_nul_byte_in_package(
    state: int, accepts_empty_uri: bool, story: Story
) -> None:
    story.reach(Step.OBSERVE).refuse_uri(state)
    if accepts_empty_uri:
        story.answer(story.changed("/5/0/1"), story.refused("/5/0/1"))
    else:
        story.answer(story.refused("/5/0/1", "4.00"))
    assert story.requests == (NUL, uri(story))
    story.answer(story.changed("/5/0/0"), story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING
    story.notify(1).notify(2)
    assert story.is_at(Step.UPDATING)


def test_a_device_that_cannot_be_reset_fails_by_the_code_of_its_uri_and_not_by_that_of_the_last_reset(
    story: Story,
) -> None:
    story.reach(Step.OBSERVE).refuse_uri(1, "4.05").answer(story.refused("/5/0/1", "4.00"))
    story.answer(story.refused("/5/0/0", "4.04")).answer().answer()
    assert story.reason == "package_uri_refused"
    assert story.params == {"code": "4.05", "path": "/5/0/1"}


@pytest.mark.parametrize("state", [0, 3])
def test_an_idle_or_updating_device_is_not_reset(state: int, story: Story) -> None:
    story.reach(Step.OBSERVE).refuse_uri(state)
    assert story.step is Step.CLOSING


def test_a_device_that_has_become_idle_since_it_was_observed_is_not_reset(story: Story) -> None:
    story.reach(Step.OBSERVE).notify(0).refuse_uri(2)
    assert story.step is Step.CLOSING


@pytest.mark.parametrize("state", [1, 2])
def test_a_device_that_works_when_the_answer_to_its_uri_is_lost_keeps_its_slot(state: int, story: Story) -> None:
    story.reach(Step.OBSERVE).notify(state)
    assert story.snapshot.firmware_state == state
    story.answer(story.read("/5/0/3", 0), story.read("/5/0/5", 0), status=OutcomeStatus.TIMEOUT)
    assert story.step is (Step.DOWNLOADING if state == 1 else Step.UPDATING)
    assert not story.returns


def test_a_download_notified_before_the_answer_to_the_uri_has_begun_with_it(story: Story) -> None:
    story.reach(Step.OBSERVE).notify(1).accept_uri()
    assert story.step is Step.DOWNLOADING
    assert story.execution.deadline == story.execution.attempt.not_after


def test_a_device_that_fails_before_its_uri_is_answered_is_read_at_once(story: Story) -> None:
    story.reach(Step.OBSERVE).notify(0).accept_uri()
    assert story.requests == (OBSERVE, RESULT)
    story.answer(story.read("/5/0/3", 0), story.read("/5/0/5", 7)).answer().answer()
    assert story.reason == "invalid_uri"


def test_an_idle_state_that_the_reset_made_is_no_news(story: Story) -> None:
    story.reach(Step.OBSERVE).refuse_uri(2).notify(0).answer(story.changed("/5/0/1"), story.changed("/5/0/1"))
    assert (story.step, story.commands) == (Step.DOWNLOADING, [])


def test_a_state_notified_again_that_was_there_before_the_uri_does_not_tell_that_it_arrived(story: Story) -> None:
    story.reach(Step.OBSERVE).notify(1)
    story.answer(story.read("/5/0/3", 1), story.read("/5/0/5", 0), status=OutcomeStatus.TIMEOUT)
    assert story.step is Step.CLOSING


def test_a_notified_idle_state_proves_nothing(story: Story) -> None:
    story.reach(Step.OBSERVE).notify(0)
    assert story.step is Step.OBSERVE


@pytest.mark.parametrize("code", ["5.03", "4.29"])
@pytest.mark.parametrize("accepted", [0, 1, 2])
def test_a_busy_device_is_asked_after_its_max_age_for_what_is_missing(code: str, accepted: int, story: Story) -> None:
    story.reach(Step.OBSERVE)
    answers = [story.read("/5/0/3", 0), story.read("/5/0/5", 0)]
    asked, at = (OBSERVE, RESULT, uri(story)), story.now
    story.answer(*answers[:accepted], story.busy(("/5/0/3", "/5/0/5", "/5/0/1")[accepted], 40, code))
    assert (story.step, story.returns, story.commands) == (Step.OBSERVE, [], [])
    story.uplink()
    assert not story.commands
    story.deadline()
    assert (story.now, story.requests) == (at + 40, asked[accepted:])
    story.answer(*answers[accepted:], story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING


def test_a_device_that_is_busy_for_longer_than_the_step_takes_fails_by_its_code(story: Story) -> None:
    began = story.reach(Step.OBSERVE).now
    answers = story.read("/5/0/3", 0), story.read("/5/0/5", 0)
    story.answer(*answers, story.busy("/5/0/1")).deadline().answer(story.busy("/5/0/1")).deadline()
    story.answer(story.busy("/5/0/1"))
    assert story.now == began + 120
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.reason, story.params) == ("package_uri_refused", {"code": "5.03", "path": "/5/0/1"})


def test_a_busy_device_that_restarts_is_asked_at_once(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.busy("/5/0/3")).later(5).register()
    assert story.requests == (OBSERVE, RESULT, uri(story))
    story.accept_uri()
    assert story.step is Step.DOWNLOADING

"""Observing the device and giving it the Package URI."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Observe, Write, WritePackageUri
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.attempt import SlotState

OBSERVE = Observe(path="/5/0/3")


def uri(story: Story) -> WritePackageUri:
    return WritePackageUri(image_id="i", image_size=65_536, not_after=utc(story.execution.attempt.not_after))


@pytest.mark.requirement("R078", "R079")
def test_a_grant_sends_observe_and_package_uri_in_one_command(story: Story) -> None:
    story.reach(Step.OBSERVE)
    assert story.requests == (OBSERVE, uri(story))


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
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", 0), story.changed("/5/0/1"))
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
    assert story.requests == (OBSERVE, uri(story))


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
    assert story.requests == (OBSERVE, token)
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert command.epoch == 2
    assert not story.returns


def test_a_device_that_refuses_to_be_observed_fails(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.refused("/5/0/3", "4.04")).answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "observe_failed")


def test_a_device_that_refuses_the_uri_fails_with_the_code(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", 0), story.refused("/5/0/1", "4.00"))
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "package_uri_refused")
    assert story.snapshot.reason
    assert story.snapshot.reason.params == {"code": "4.00"}


@pytest.mark.parametrize("state", [1, 2])
def test_a_device_that_is_busy_with_an_older_download_is_reset_once(state: int, story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", state), story.refused("/5/0/1"))
    assert story.requests == (Write(path="/5/0/1", value=""), uri(story))
    story.answer(story.changed("/5/0/1"), story.changed("/5/0/1"))
    assert story.step is Step.DOWNLOADING


def test_a_device_that_refuses_the_uri_after_its_reset_fails(story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", 1), story.refused("/5/0/1"))
    story.answer(story.refused("/5/0/1", "4.01")).answer().answer()
    assert story.reason == "package_uri_refused"


def test_a_notified_download_proves_that_the_uri_arrived(story: Story) -> None:
    story.reach(Step.OBSERVE)
    late = story.last_command
    story.notify(1)
    assert (story.step, story.snapshot.firmware_state) == (Step.DOWNLOADING, 1)
    story.outcome(late, results=(story.read("/5/0/3", 0), story.changed("/5/0/1")))
    assert story.step is Step.DOWNLOADING
    assert not story.effects


def test_a_notified_idle_state_proves_nothing(story: Story) -> None:
    story.reach(Step.OBSERVE).notify(0)
    assert story.step is Step.OBSERVE

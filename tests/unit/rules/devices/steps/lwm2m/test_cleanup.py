"""The fence, and the end of the observation."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import CancelObserve, CloseDownload, Write
from sluice_common.messages.snapshots import UpgradePolicy

CANCEL, ABORT = CancelObserve(path="/5/0/3"), Write(path="/5/0/1", value="")


def test_the_slot_is_returned_after_the_closes_outcome_and_not_before(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).stop()
    assert story.step is Step.CLOSING
    assert not story.returns
    (close,) = story.closes
    assert (close.execution_id, close.attempt) == ("t:d", 1)
    story.answer()
    assert len(story.returns) == 1


@pytest.mark.parametrize("status", [s for s in OutcomeStatus if s is not OutcomeStatus.DONE])
def test_only_a_confirmed_close_returns_the_slot(status: OutcomeStatus, story: Story) -> None:
    story.reach(Step.DOWNLOADING).stop().answer(status=status)
    assert story.step is Step.CLOSING
    assert not story.returns


def test_a_close_without_an_outcome_is_repeated(story: Story) -> None:
    story.reach(Step.DOWNLOADING).stop()
    first = story.last_command
    story.deadline()
    (second,) = story.closes
    assert second.command_id != first.command_id
    assert not story.returns
    story.outcome(first)
    assert not story.returns
    story.outcome(second)
    assert len(story.returns) == 1


def test_a_gateway_that_stays_silent_holds_the_slot_until_the_token_has_ended(story: Story) -> None:
    story.reach(Step.DOWNLOADING).stop()
    not_after = story.execution.attempt.not_after
    while story.step is Step.CLOSING:
        assert not story.returns
        assert story.now < not_after + story.rules.clock_skew
        story.deadline()
    assert story.now == not_after + story.rules.clock_skew
    assert len(story.returns) == 1


def test_the_close_goes_to_the_gateway_that_owns_the_device_now(story: Story) -> None:
    story.reach(Step.DOWNLOADING).register(gateway=4).stop()
    (effect,) = [e for e in story.effects if isinstance(getattr(e, "command", None), CloseDownload)]
    assert getattr(effect, "gateway", None) == 4


@pytest.mark.requirement("R085")
def test_the_observation_is_cancelled_once_the_result_is_known(story: Story) -> None:
    story.reach(Step.CANCEL_OBSERVE)
    assert story.requests == (CANCEL,)
    assert not story.snapshots
    story.answer(story.read("/5/0/3", 0))
    assert story.status is ExecutionStatus.SUCCEEDED


@pytest.mark.requirement("R085")
@pytest.mark.parametrize("status", list(OutcomeStatus))
def test_an_observation_that_cannot_be_cancelled_is_no_failure_of_the_upgrade(
    status: OutcomeStatus, story: Story
) -> None:
    story.reach(Step.CANCEL_OBSERVE).answer(status=status)
    assert story.status is ExecutionStatus.SUCCEEDED


def test_the_outcome_of_a_cancelled_observation_is_not_awaited_for_long(story: Story) -> None:
    began = story.reach(Step.CANCEL_OBSERVE).now
    story.uplink().deadline()
    assert story.now == began + 60
    assert story.status is ExecutionStatus.SUCCEEDED


@pytest.mark.requirement("R085")
def test_the_gateway_forgets_the_observation_of_a_sleeper_too(story: Story) -> None:
    story.reach(Step.DOWNLOADING).later(2e6)
    story.stop()
    assert story.requests == (CANCEL, ABORT)
    story.asleep()
    assert story.status is ExecutionStatus.STOPPED


@pytest.mark.requirement("R085", "D12")
def test_the_gateway_forgets_the_observation_of_an_earlier_attempt_too(story: Story) -> None:
    story.reach(Step.OBSERVE, UpgradePolicy(max_retries=1)).answer(story.refused("/5/0/3")).answer()
    story.deadline().stop()
    assert story.requests == (CANCEL,)
    command = story.last_command
    assert (command.execution_id, command.attempt) == ("t:d", 2)


def test_an_execution_that_was_never_observed_has_nothing_to_cancel(story: Story) -> None:
    story.reach(Step.AWAIT_SLOT).stop()
    assert not story.commands
    assert story.status is ExecutionStatus.STOPPED


@pytest.mark.requirement("R119")
@pytest.mark.parametrize("state", [None, 1])
def test_a_download_is_recalled_from_a_device_whose_execution_is_stopped(state: int | None, story: Story) -> None:
    story.reach(Step.DOWNLOADING)
    if state is not None:
        story.notify(state)
    story.stop().answer()
    assert story.requests == (CANCEL, ABORT)
    story.answer(story.read("/5/0/3", 1), story.refused("/5/0/1"))
    assert story.status is ExecutionStatus.STOPPED


@pytest.mark.requirement("R119", "R123")
def test_after_the_execute_no_download_is_recalled(story: Story) -> None:
    story.reach(Step.UPDATING).stop()
    assert len(story.closes) == 1
    story.answer()
    assert story.requests == (CANCEL,)
    story.answer()
    assert story.status is ExecutionStatus.STOPPED


def test_an_attempt_that_is_followed_by_another_stays_observed(story: Story) -> None:
    story.reach(Step.OBSERVE, UpgradePolicy(max_retries=1))
    story.answer(story.read("/5/0/3", 0), story.refused("/5/0/1", "4.00")).answer()
    assert story.step is Step.RETRY_WAIT
    assert not story.commands
    story.stop()
    assert CANCEL in story.requests


def test_no_download_is_recalled_from_a_device_that_gave_its_verdict(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).notify(0)
    story.answer(story.read("/5/0/3", 0), story.read("/5/0/5", 5)).answer()
    assert story.requests == (CANCEL,)

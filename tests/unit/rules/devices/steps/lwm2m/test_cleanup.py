"""The fence, and the end of the observation."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import CancelObserve, CloseDownload, DeviceRequests, Write
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.effects import ToGateway

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


def closed_at(story: Story) -> list[int]:
    """Return the gateways that are told now to close."""
    return [e.gateway for e in story.effects if isinstance(e, ToGateway) and isinstance(e.command, CloseDownload)]


def test_the_close_goes_to_the_gateway_that_serves_the_image_whoever_owns_the_device_now(story: Story) -> None:
    story.reach(Step.DOWNLOADING).register(gateway=4).stop()
    assert closed_at(story) == [0]
    story.answer()
    assert len(story.returns) == 1


def test_each_gateway_that_was_given_the_uri_confirms_before_the_slot_is_returned(story: Story) -> None:
    story.reach(Step.OBSERVE).register(gateway=4).answer(status=OutcomeStatus.STALE)  # the URI is sent once more
    story.accept_uri().stop()
    assert closed_at(story) == [0]
    story.answer()
    assert closed_at(story) == [4]
    assert not story.returns
    story.answer(status=OutcomeStatus.STALE)
    assert not story.returns
    story.deadline()
    assert closed_at(story) == [4]
    story.answer()
    assert len(story.returns) == 1


def test_an_attempt_that_an_older_version_has_begun_is_closed_at_the_gateway_of_its_device(story: Story) -> None:
    story.reach(Step.DOWNLOADING).execution.attempt.opened_at = ()
    story.stop()
    assert closed_at(story) == [0]
    story.answer()
    assert len(story.returns) == 1


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


@pytest.mark.parametrize(("asked_for", "waits"), [(60.0, 5.0), (3.0, 3.0)])
def test_the_outcome_of_a_cancelled_observation_is_awaited_for_five_seconds_at_most(
    asked_for: float, waits: float, story: Story, policy: Callable[..., UpgradePolicy]
) -> None:
    began = story.reach(Step.CANCEL_OBSERVE, policy(cancel_observe=asked_for)).now
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert command.expires_at.timestamp() == began + waits
    story.uplink().deadline()
    assert story.now == began + waits
    assert story.status is ExecutionStatus.SUCCEEDED


@pytest.mark.parametrize("max_age", [4, 6])
def test_a_busy_device_is_asked_again_to_cancel_its_observation_if_there_is_time(max_age: int, story: Story) -> None:
    story.reach(Step.CANCEL_OBSERVE).answer(story.busy("/5/0/3", max_age))
    assert story.step is (Step.CANCEL_OBSERVE if max_age == 4 else Step.ENDED)
    if max_age == 4:
        story.deadline()
        assert story.requests == (CANCEL,)
        story.deadline()
    assert story.is_at(Step.ENDED)
    assert story.status is ExecutionStatus.SUCCEEDED


@pytest.mark.requirement("R085")
def test_the_gateway_forgets_the_observation_of_a_sleeper_too(story: Story) -> None:
    story.reach(Step.DOWNLOADING).later(2e6)
    story.stop()
    assert story.requests == (CANCEL,)
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
def test_a_download_is_recalled_from_a_device_whose_execution_is_stopped(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).stop().answer()
    assert story.requests == (CANCEL, ABORT)
    story.answer(story.read("/5/0/3", 1), story.changed("/5/0/1"))
    assert story.status is ExecutionStatus.STOPPED


@pytest.mark.requirement("R119")
def test_a_download_is_recalled_by_a_nul_byte_from_a_device_that_refuses_an_empty_uri(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).stop().answer().answer(story.read("/5/0/3", 1), story.refused("/5/0/1"))
    assert story.requests == (Write(path="/5/0/0", value="\0", content_format=42),)
    story.answer(story.refused("/5/0/0"))
    assert story.status is ExecutionStatus.STOPPED


@pytest.mark.parametrize("state", [None, 0])
def test_nothing_is_recalled_from_a_device_that_was_idle_when_it_said_something_last(
    state: int | None, story: Story
) -> None:
    story.reach(Step.DOWNLOADING)
    if state is not None:
        story.notify(1).notify(state)
    story.stop().answer()
    assert story.requests == (CANCEL,)


@pytest.mark.parametrize("state", [1, 2, None])
def test_nothing_is_recalled_from_a_device_that_never_accepted_a_uri(state: int | None, story: Story) -> None:
    story.reach(Step.OBSERVE).answer(story.read("/5/0/3", state), status=OutcomeStatus.TIMEOUT).stop().answer()
    assert story.requests == (CANCEL,)


def test_a_download_may_be_recalled_from_a_device_that_accepted_a_uri_and_tells_no_state(story: Story) -> None:
    story.reach(Step.OBSERVE).accept_uri(None).stop().answer()
    assert story.requests == (CANCEL, ABORT)


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
    story.refuse_uri(code="4.00").answer()
    assert story.step is Step.RETRY_WAIT
    assert not story.commands
    story.stop()
    assert CANCEL in story.requests


def test_no_download_is_recalled_from_a_device_that_gave_its_verdict(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).notify(0)
    story.answer(story.read("/5/0/3", 0), story.read("/5/0/5", 5)).answer()
    assert story.requests == (CANCEL,)

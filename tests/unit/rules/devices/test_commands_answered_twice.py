"""A command that goes out twice under one id, as it was decided on twice, may be answered twice and differently.

Kafka or the stage was away between the two: the first copy comes too late to be sent, the second one has more time.
"""

import pytest
from tests.unit.rules.story.lwm2m import GOOD_RADIO, Story

from sluice_common.messages.device_events import OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import DeviceCommandChanged, Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Execute, Read

NOT_SENT = [OutcomeStatus.STALE, OutcomeStatus.ASLEEP]
RADIO = RequestResult(path="/4/0", code="2.05", values=GOOD_RADIO)


@pytest.mark.parametrize("first", NOT_SENT)
def test_an_answer_counts_though_a_copy_of_its_command_was_not_sent(first: OutcomeStatus, story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(status=first).answer(RADIO)
    assert story.step is Step.AWAIT_SLOT


def test_an_answer_counts_before_a_copy_of_its_command_that_was_not_sent(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE)
    asked = story.last_command
    story.answer(RADIO).outcome(asked, OutcomeStatus.STALE)
    assert story.step is Step.AWAIT_SLOT


def test_of_two_copies_of_an_execute_the_one_that_was_sent_counts(story: Story) -> None:
    story.reach(Step.UPDATING).answer(status=OutcomeStatus.STALE).answer(story.changed("/5/0/2"))
    assert not story.execution.attempt.unsent
    assert not story.uplink().commands


@pytest.mark.parametrize("first", NOT_SENT)
def test_an_execute_that_a_copy_may_have_told_the_device_is_not_told_again(first: OutcomeStatus, story: Story) -> None:
    story.reach(Step.UPDATING).answer(status=first).timed_out().uplink()
    assert not any(isinstance(request, Execute) for command in story.commands for request in _requests(command))


def test_an_answer_to_an_older_command_counts_no_more_once_the_step_has_asked_anew(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE)
    asked = story.last_command
    story.answer(status=OutcomeStatus.STALE).uplink()
    assert story.last_command.command_id != asked.command_id
    story.outcome(asked, results=(RADIO,))
    assert story.step is Step.QUERY_COVERAGE


def test_an_answer_to_an_older_step_counts_no_more(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE)
    asked = story.last_command
    story.answer(status=OutcomeStatus.STALE).deadline().answer(RADIO)
    before = story.device
    story.outcome(asked, results=(RADIO,))
    assert story.device == before


@pytest.mark.parametrize("first", NOT_SENT)
def test_a_device_command_ends_with_its_answer_though_a_copy_was_not_sent(first: OutcomeStatus, story: Story) -> None:
    story.register().command("c1", Read(path="/3/0/0")).answer(status=first).answer(story.read("/3/0/0", "ACME"))
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.values) == ("SUCCEEDED", {"/3/0/0": "ACME"})
    story.answer(status=first)
    assert not story.effects


def _requests(command: object) -> tuple[object, ...]:
    return command.requests if isinstance(command, DeviceRequests) else ()

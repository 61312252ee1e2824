"""A device registers anew, maybe at another gateway, while a request to its older registration is under way.

Silence there says nothing of the device: it has just spoken. It is asked again at once, and not at its next word.
"""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Execute

UNANSWERED = [OutcomeStatus.TIMEOUT, OutcomeStatus.ASLEEP, OutcomeStatus.STALE]


def told_to_update(story: Story) -> bool:
    return any(
        isinstance(request, Execute)
        for command in story.commands
        for request in (command.requests if isinstance(command, DeviceRequests) else ())
    )


@pytest.mark.parametrize("step", [Step.QUERY_VERSION, Step.QUERY_COVERAGE, Step.OBSERVE])
@pytest.mark.parametrize("status", UNANSWERED)
def test_what_an_older_registration_did_not_answer_the_newer_one_is_asked_at_once(
    status: OutcomeStatus, step: Step, story: Story
) -> None:
    asked = story.reach(step).last_command
    story.register(gateway=4).outcome(asked, status)
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert (story.step, command.epoch) == (step, 2)
    assert command.command_id != asked.command_id
    assert not story.returns


@pytest.mark.parametrize("status", UNANSWERED)
def test_what_the_registration_that_a_device_has_did_not_answer_waits_for_its_next_word(
    status: OutcomeStatus, story: Story
) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(status=status)
    assert not story.commands


def test_a_device_whose_gateway_is_gone_keeps_its_slot_if_it_has_registered_at_another_one(story: Story) -> None:
    asked = story.reach(Step.OBSERVE).last_command
    story.register(gateway=4).deadline()
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert (story.step, command.epoch) == (Step.OBSERVE, 2)
    assert not story.returns
    story.outcome(asked, OutcomeStatus.TIMEOUT)  # nobody waits for it any more
    assert not story.effects
    story.accept_uri()
    assert story.step is Step.DOWNLOADING


def test_a_device_that_registers_again_and_again_and_answers_nothing_keeps_its_slot_for_the_time_of_the_step_only(
    story: Story,
) -> None:
    story.reach(Step.OBSERVE)
    begun, left = story.now, story.execution.policy.timeouts.observe
    while story.step is Step.OBSERVE:
        assert story.now <= begun + left
        story.register().deadline()
    assert story.step is Step.CLOSING


def test_a_device_that_restarts_is_not_told_to_update_twice(story: Story) -> None:
    execute = story.reach(Step.UPDATING).last_command
    assert told_to_update(story)
    story.register()
    for status in (OutcomeStatus.TIMEOUT, OutcomeStatus.ALREADY_SENT):
        story.outcome(execute, status)
        assert not told_to_update(story)

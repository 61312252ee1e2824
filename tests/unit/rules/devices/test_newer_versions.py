"""A record that a newer version has written waits for that version; nothing of it is lost (ADR 0023)."""

from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_rules.devices.device import deadlines


def in_unknown_step(story: Story) -> Story:
    story.reach(Step.DOWNLOADING)
    assert story.device
    assert story.device.execution
    story.device.execution.step = Step("VERIFYING")
    return story


def test_an_execution_in_a_step_of_a_newer_version_is_left_as_it_is(story: Story) -> None:
    in_unknown_step(story)
    assert story.device
    before = deadlines(story.device)

    story.notify(2).deadline()

    assert story.device.execution
    assert story.device.execution.step == "VERIFYING"
    assert deadlines(story.device) == before


def test_an_execution_in_a_step_of_a_newer_version_can_be_stopped(story: Story) -> None:
    in_unknown_step(story).stop().answer().go_on(Step.ENDED)

    assert story.status is ExecutionStatus.STOPPED


def test_an_outcome_that_only_a_newer_gateway_knows_is_no_answer(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)

    story.answer(status=OutcomeStatus("throttled"))

    assert story.step is Step.QUERY_VERSION

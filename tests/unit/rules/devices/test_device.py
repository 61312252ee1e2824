"""What stands in the record, seen from outside."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_rules.devices.device import deadlines

READ = Read(path="/3/0/0")


@pytest.mark.parametrize(
    "step", [step for step in Step if step not in (Step.ENDED, Step.QUERY_CELL, Step.CLOSING, Step.RETRY_WAIT)]
)
def test_every_wait_has_a_deadline(step: Step, story: Story) -> None:
    if step is Step.AWAIT_ONLINE:
        story.request().deadline()
    else:
        story.reach(step)
    assert story.device
    (deadline,) = deadlines(story.device)
    assert deadline.at > story.now
    assert (deadline.subject, deadline.attempt) == ("t:d", 1)
    assert deadline.step == story.step.value


def test_every_device_command_has_a_deadline(story: Story) -> None:
    story.command("c1", READ, expires_in=60).command("c2", READ, expires_in=90)
    assert story.device
    assert [(d.subject, d.attempt, d.at - story.now) for d in deadlines(story.device)] == [
        ("c1", 0, 60.0),
        ("c2", 0, 90.0),
    ]


def test_a_device_that_waits_for_nothing_has_no_deadline(story: Story) -> None:
    story.reach(Step.ENDED)
    assert story.device
    assert deadlines(story.device) == []

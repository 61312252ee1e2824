"""Time during which Kafka or the stage was away is taken from nobody: what is given begins when it is decided on."""

import pytest
from tests.unit.rules.story.lwm2m import Story
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Read
from sluice_common.messages.mqtt_commands import QueryVersion
from sluice_rules.devices.decide import decide

OUTAGE = 400.0


def test_a_device_command_that_is_sent_late_has_all_its_time(story: Story) -> None:
    story.command("c1", Read(path="/3/0/0")).decided(behind=OUTAGE).register()
    sent = story.last_command
    assert isinstance(sent, DeviceRequests)
    given = story.rules.command_answer
    assert sent.expires_at.timestamp() == story.now + OUTAGE + given
    assert story.device
    assert story.device.commands[0].deadline == story.now + OUTAGE + given


@pytest.mark.parametrize("step", [Step.QUERY_VERSION, Step.OBSERVE, Step.DOWNLOADING, Step.UPDATING, Step.QUERY_RESULT])
def test_a_step_that_an_execution_enters_late_has_all_its_time(step: Step, story: Story) -> None:
    story.reach(step)
    in_time = story.execution.deadline - story.now
    late = Story(story.rules).decided(behind=OUTAGE).reach(step)
    assert late.execution.deadline - late.now >= in_time + OUTAGE


def test_a_step_that_is_driven_again_late_gives_the_device_the_time_to_answer(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    given = story.execution.deadline - story.now
    story.decided(behind=OUTAGE).deadline()
    sent = story.last_command
    assert isinstance(sent, DeviceRequests)
    assert sent.expires_at.timestamp() == story.now + OUTAGE + given
    assert story.execution.deadline == story.now + OUTAGE + given


def test_a_version_query_that_is_sent_late_has_all_its_time(mqtt: MqttStory) -> None:
    mqtt.decided(behind=OUTAGE).reach(Step.QUERY_VERSION)
    query = mqtt.mqtt[-1]
    assert isinstance(query, QueryVersion)
    assert query.expires_at.timestamp() > mqtt.now + OUTAGE


def test_what_happened_in_time_counts_however_late_it_is_decided_on(story: Story) -> None:
    story.reach(Step.DOWNLOADING).later(60).decided(behind=1e6).notify(2)
    assert story.step is Step.UPDATING


def test_an_event_that_is_repeated_soon_has_the_very_same_effects(story: Story) -> None:
    before = story.reach(Step.QUERY_VERSION).device
    story.answer(story.read("/5/0/7", "1.0"))
    event, offset = story.log[-1]
    for seconds in (0.0, 1.0, story.rules.late):
        decision = decide(before, event, offset, story.rules, event.at + seconds)
        assert (decision.device, decision.effects) == (story.device, story.effects)

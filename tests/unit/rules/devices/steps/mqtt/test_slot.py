"""Waiting for a slot of the task's window."""

from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.execution_events import Step
from sluice_common.messages.mqtt_commands import QueryVersion


def test_a_silent_waiter_that_is_taken_for_offline_is_asked_for_its_version_and_asks_for_a_slot_when_it_answers(
    mqtt: MqttStory,
) -> None:
    mqtt.reach(Step.AWAIT_SLOT).disconnect().grant().deadline()
    assert isinstance(mqtt.mqtt[-1], QueryVersion)
    assert mqtt.step is Step.AWAIT_SLOT
    mqtt.version("1.0")
    assert mqtt.asks[-1].grant.ask_no == mqtt.offset

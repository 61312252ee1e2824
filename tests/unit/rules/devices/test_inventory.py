"""What a device reports as its version reaches the inventory, with or without an upgrade."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.decisions import Decisions
from tests.unit.rules.story.lwm2m import Story
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.execution_events import DeviceFirmwareChanged, ExecutionChanged, ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.mqtt_commands import QueryVersion
from sluice_rules.devices.effects import ToMqtt


def shown(story: Decisions) -> str | None:
    """Return the version that readers know by all that they were sent."""
    version = None
    for effect in story.all_effects:
        if isinstance(effect, ExecutionChanged):
            version = effect.reported_version or version
        elif isinstance(effect, DeviceFirmwareChanged):
            version = effect.firmware_version
    return version


def test_a_version_that_is_reported_without_an_upgrade_is_shown_once(mqtt: MqttStory) -> None:
    mqtt.connect().version("1.0")
    assert [c.firmware_version for c in mqtt.new(DeviceFirmwareChanged)] == ["1.0"]
    mqtt.version("1.0").version(None)
    assert len(mqtt.all(DeviceFirmwareChanged)) == 1
    mqtt.version("1.1")
    assert shown(mqtt) == "1.1"


@pytest.mark.parametrize("step", [Step.DOWNLOADING, Step.UPDATING, Step.QUERY_RESULT])
@pytest.mark.parametrize("report", ["version", "progress"])
def test_a_device_that_finishes_an_upgrade_that_was_stopped_is_shown_with_its_new_version(
    step: Step, report: str, mqtt: MqttStory
) -> None:
    mqtt.reach(step).stop()
    assert mqtt.status is ExecutionStatus.STOPPED
    ends = len([s for s in mqtt.all(ExecutionChanged) if s.ended_at])
    mqtt.disconnect().connect()
    if report == "version":
        mqtt.version("2.0")
    else:
        mqtt.progress(percent=40, version="2.0")
        assert shown(mqtt) == "1.0"
        mqtt.progress(percent=100, version="2.0")
    assert shown(mqtt) == "2.0"
    assert mqtt.status is ExecutionStatus.STOPPED
    assert len([s for s in mqtt.all(ExecutionChanged) if s.ended_at]) == ends == 1


def test_a_device_that_only_answers_is_asked_at_each_log_in_after_a_stop_until_it_runs_the_target(
    mqtt: MqttStory,
) -> None:
    mqtt.reach(Step.UPDATING).stop()
    for version in ("1.0", "2.0"):
        mqtt.disconnect().connect()
        assert [type(e.command) for e in mqtt.new(ToMqtt)] == [QueryVersion]
        mqtt.version(version)
        assert shown(mqtt) == version
    mqtt.disconnect().connect()
    assert not mqtt.effects


def test_a_device_that_stayed_as_it_was_is_asked_once_more_after_the_time_of_an_update(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).stop().disconnect().later(4000).connect()
    assert mqtt.mqtt_kinds == ["QueryVersion"]
    mqtt.version("1.0").disconnect().connect()
    assert not mqtt.effects


def test_a_device_that_was_offered_nothing_is_not_asked_after_a_stop(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT).stop().disconnect().connect()
    assert not mqtt.effects


def test_a_device_that_succeeded_is_not_asked_again(mqtt: MqttStory) -> None:
    mqtt.reach(Step.ENDED).disconnect().connect()
    assert (mqtt.status, mqtt.effects) == (ExecutionStatus.SUCCEEDED, [])
    assert not mqtt.all(DeviceFirmwareChanged)


def test_a_device_that_restarts_long_after_its_upgrade_has_failed_is_shown_with_its_new_version(
    mqtt: MqttStory,
) -> None:
    mqtt.reach(Step.UPDATING).disconnect()
    while mqtt.step is not Step.ENDED:
        mqtt.deadline()
    assert mqtt.status is ExecutionStatus.FAILED
    mqtt.later(86_400).connect().version("2.0")
    assert (shown(mqtt), mqtt.status) == ("2.0", ExecutionStatus.FAILED)


def test_another_version_in_mid_upgrade_is_shown(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).version("1.5")
    assert (mqtt.step, shown(mqtt)) == (Step.UPDATING, "1.5")
    mqtt.version("1.5")
    assert not mqtt.effects


def test_reports_that_are_no_news_cost_no_record(tell_mqtt: Callable[..., MqttStory]) -> None:
    quiet = tell_mqtt().reach(Step.ENDED)
    talkative = tell_mqtt().connect().request().version("1.0").go_on(Step.UPDATING).version("1.0")
    talkative.version("2.0").version("2.0").progress(percent=100, version="2.0")
    assert talkative.status is ExecutionStatus.SUCCEEDED
    assert len(talkative.all(ExecutionChanged)) == len(quiet.all(ExecutionChanged))
    assert not talkative.all(DeviceFirmwareChanged)


@pytest.mark.parametrize("path", ["/3/0/3", "/3/0"])
def test_a_version_that_a_device_command_has_read_is_shown(path: str, story: Story) -> None:
    story.register().command("c1", Read(path=path)).answer(story.read("/3/0/3", "1.7"))
    assert shown(story) == "1.7"


def test_an_lwm2m_device_that_installs_an_upgrade_that_was_stopped_is_asked_when_it_registers(story: Story) -> None:
    story.reach(Step.UPDATING).stop()
    while story.step is not Step.ENDED:
        story.deadline()
    story.register()
    assert story.requests == (Read(path="/3/0/3"),)
    story.answer(story.read("/3/0/3", "2.0"))
    assert (shown(story), story.status) == ("2.0", ExecutionStatus.STOPPED)
    story.register()
    assert not story.commands


def test_an_lwm2m_device_that_registers_before_its_stopped_upgrade_has_ended_is_asked_at_the_end(story: Story) -> None:
    story.reach(Step.UPDATING).stop().deadline().register()
    while story.step is not Step.ENDED:
        story.deadline()
    assert story.requests == (Read(path="/3/0/3"),)
    story.answer(story.read("/3/0/3", "2.0"))
    assert (shown(story), story.status) == ("2.0", ExecutionStatus.STOPPED)


def test_a_device_that_was_told_to_update_nothing_is_not_asked_after_a_stop(story: Story) -> None:
    story.reach(Step.DOWNLOADING).stop()
    while story.step is not Step.ENDED:
        story.deadline()
    story.register()
    assert not story.commands


def test_a_further_upgrade_takes_the_place_of_the_question(tell: Callable[..., Story]) -> None:
    story = tell().reach(Step.UPDATING).stop()
    while story.step is not Step.ENDED:
        story.deadline()
    story.request("u")
    story.go_on(Step.QUERY_COVERAGE)
    assert shown(story) == "1.0"

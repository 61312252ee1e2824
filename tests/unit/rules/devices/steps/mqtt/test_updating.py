"""While an MQTT device installs, and when nothing is heard of it."""

import pytest
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.snapshots import UpgradePolicy


@pytest.mark.requirement("R100")
def test_a_device_that_comes_back_from_its_restart_is_asked_for_its_version_once(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).disconnect()
    assert not mqtt.effects
    mqtt.connect()
    assert mqtt.mqtt_kinds == ["QueryVersion"]
    mqtt.uplink(1e10)
    assert not mqtt.mqtt
    mqtt.version("1.0")
    assert (mqtt.is_at(Step.UPDATING), mqtt.effects) == (True, [])
    mqtt.version("2.0")
    assert mqtt.status is ExecutionStatus.SUCCEEDED


@pytest.mark.requirement("R100", "R121")
def test_a_device_that_never_reports_is_asked_before_it_fails(mqtt: MqttStory) -> None:
    began = mqtt.reach(Step.UPDATING).now
    mqtt.deadline()
    assert (mqtt.now, mqtt.step, mqtt.mqtt_kinds) == (began + 1800, Step.QUERY_RESULT, ["QueryVersion"])
    mqtt.deadline()
    assert mqtt.mqtt_kinds == ["QueryVersion"]
    mqtt.deadline()
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "version_check_timeout")


def test_a_device_that_still_runs_the_old_version_at_the_end_of_the_update_time_fails(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_RESULT).version("1.0")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "version_mismatch")
    assert mqtt.snapshot.reason
    assert mqtt.snapshot.reason.params == {"current": "1.0", "target": "2.0"}


def test_a_version_report_without_a_version_settles_nothing(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_RESULT).version(None)
    assert (mqtt.step, mqtt.effects) == (Step.QUERY_RESULT, [])


def test_an_offline_device_is_asked_when_it_comes_online(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).disconnect().deadline()
    assert (mqtt.step, mqtt.mqtt) == (Step.QUERY_RESULT, [])
    mqtt.connect()
    assert mqtt.mqtt_kinds == ["QueryVersion"]


def test_a_device_that_fetches_once_more_gets_more_time(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).later(1000).served()
    assert (mqtt.step, mqtt.execution.deadline) == (Step.UPDATING, mqtt.now + 1800)


@pytest.mark.requirement("D06")
@pytest.mark.parametrize("version", ["v2.0", "2.0-rc1", "1.0"])
def test_an_image_that_was_fetched_whole_is_not_fetched_again_for_another_version(
    version: str, mqtt: MqttStory
) -> None:
    mqtt.reach(Step.QUERY_RESULT, UpgradePolicy(max_retries=3)).version(version)
    assert (mqtt.step, mqtt.reason) == (Step.ENDED, "version_mismatch")


def test_a_download_that_did_not_end_in_time_is_tried_again_whatever_version_runs(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING, UpgradePolicy(max_retries=3)).served()
    while mqtt.is_at(Step.DOWNLOADING):
        mqtt.deadline()
    mqtt.version("1.0")
    assert (mqtt.is_at(Step.RETRY_WAIT), mqtt.reason) == (True, "download_timeout")


def test_an_offer_is_shown_as_downloading_before_the_first_byte(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING)
    assert [snapshot.step for snapshot in mqtt.snapshots] == [Step.DOWNLOADING]

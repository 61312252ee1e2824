"""An MQTT device begins at once when it is online, otherwise when it comes online."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.base import utc
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.mqtt_commands import QueryVersion
from sluice_common.messages.snapshots import ProductSnapshot, UpgradePolicy

DAY = 86_400.0


@pytest.mark.requirement("R091", "R093")
def test_a_device_that_is_online_is_asked_for_its_version_at_once(mqtt: MqttStory) -> None:
    mqtt.connect().request(created_ago=10)
    (query,) = mqtt.mqtt
    assert isinstance(query, QueryVersion)
    assert (query.device_id, query.execution_id, query.attempt) == ("d", "t:d", 1)
    assert query.expires_at == utc(mqtt.execution.deadline)
    assert mqtt.step is Step.QUERY_VERSION


@pytest.mark.requirement("R092")
def test_a_device_that_is_offline_is_sent_nothing_until_it_connects(mqtt: MqttStory) -> None:
    mqtt.connect().disconnect().request(created_ago=10)
    assert (mqtt.status, mqtt.step, mqtt.mqtt) == (ExecutionStatus.RUNNING, Step.AWAIT_ONLINE, [])
    mqtt.later(3600).connect()
    assert mqtt.is_at(Step.QUERY_VERSION)
    assert mqtt.mqtt_kinds == ["QueryVersion"]


@pytest.mark.requirement("R092")
def test_a_device_that_never_connects_fails_after_a_day(mqtt: MqttStory) -> None:
    began = mqtt.request(created_ago=10).now
    mqtt.deadline()
    assert mqtt.now == began + DAY
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "online_timeout")


def test_a_device_that_is_offline_until_the_tasks_end_fails(mqtt: MqttStory) -> None:
    mqtt.request(created_ago=10, policy=UpgradePolicy(end_at=utc(mqtt.now + 60))).deadline()
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "task_ended")


def test_a_device_that_connects_when_the_task_has_ended_fails(mqtt: MqttStory) -> None:
    mqtt.request(created_ago=10, policy=UpgradePolicy(end_at=utc(mqtt.now + 60))).later(60).connect()
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "task_ended")


def test_the_end_of_an_older_connection_that_comes_late_does_not_count(mqtt: MqttStory) -> None:
    older = mqtt.connect().epoch
    mqtt.connect()
    mqtt.epoch = older
    mqtt.disconnect().request(created_ago=10)
    assert mqtt.mqtt_kinds == ["QueryVersion"]


@pytest.mark.requirement("R092")
def test_any_message_of_a_device_shows_that_it_is_online(mqtt: MqttStory) -> None:
    mqtt.request(created_ago=10).progress(percent=5)
    assert mqtt.step is Step.QUERY_VERSION
    assert mqtt.mqtt_kinds == ["QueryVersion"]


@pytest.mark.parametrize("version", ["1.0", None])
def test_what_a_device_said_that_has_gone_does_not_make_it_online(mqtt: MqttStory, version: str | None) -> None:
    mqtt.connect().disconnect().request(created_ago=10).version(version, live=False)
    assert (mqtt.step, mqtt.mqtt) == (Step.AWAIT_ONLINE, [])
    mqtt.later(10).connect()
    assert mqtt.mqtt_kinds == ["QueryVersion"]


def test_a_late_word_of_a_device_that_has_gone_still_counts_for_its_result(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).disconnect().version("2.0", live=False)
    assert mqtt.status is ExecutionStatus.SUCCEEDED


def test_a_version_that_a_device_reports_unasked_answers_the_query_to_come(mqtt: MqttStory) -> None:
    mqtt.request(created_ago=10).version("1.0")
    assert mqtt.step is Step.AWAIT_SLOT
    assert len(mqtt.asks) == 1


def test_a_report_without_a_version_shows_that_the_device_is_online(mqtt: MqttStory) -> None:
    mqtt.request(created_ago=10).version(None)
    assert mqtt.step is Step.QUERY_VERSION


@pytest.mark.requirement("R092")
def test_a_silent_device_that_seems_to_be_online_is_asked_again_after_a_while(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).deadline().deadline()
    assert mqtt.is_at(Step.AWAIT_ONLINE)
    given_up = mqtt.now
    mqtt.deadline()
    assert (mqtt.now, mqtt.step) == (given_up + 60, Step.QUERY_VERSION)
    assert mqtt.mqtt_kinds == ["QueryVersion"]


@pytest.mark.requirement("R092")
def test_a_silent_device_that_connects_anew_is_asked_at_once(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).deadline().deadline()
    mqtt.later(1).connect()
    assert mqtt.step is Step.QUERY_VERSION
    assert mqtt.mqtt_kinds == ["QueryVersion"]


def test_a_silent_device_that_disconnects_meanwhile_is_waited_for(mqtt: MqttStory) -> None:
    began = mqtt.reach(Step.QUERY_VERSION).now
    mqtt.deadline().deadline().disconnect().deadline()
    assert (mqtt.step, mqtt.mqtt) == (Step.AWAIT_ONLINE, [])
    assert mqtt.execution.deadline == began + DAY
    mqtt.connect()
    assert mqtt.is_at(Step.QUERY_VERSION)


def test_a_device_that_comes_and_goes_without_an_answer_fails_after_a_day(
    policy: Callable[..., UpgradePolicy], mqtt: MqttStory
) -> None:
    began = mqtt.reach(Step.QUERY_VERSION, policy(online=3600.0)).now
    for _ in range(20):
        if mqtt.is_at(Step.QUERY_VERSION):
            mqtt.disconnect().deadline().deadline()
        if mqtt.is_at(Step.AWAIT_ONLINE):
            mqtt.later(600).connect()
    assert mqtt.now < began + 2 * 3600
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "online_timeout")


@pytest.mark.requirement("R013")
@pytest.mark.parametrize("upgrade_protocol", ["", "LWM2M", "PCP", "MQTT"])
def test_of_an_mqtt_product_only_the_capability_counts(upgrade_protocol: str, mqtt: MqttStory) -> None:
    product = ProductSnapshot(product_id="m", protocol="MQTT", upgrade_protocol=upgrade_protocol)
    mqtt.connect().request(product=product, created_ago=10)
    assert mqtt.step is Step.QUERY_VERSION


@pytest.mark.requirement("R013", "R015")
def test_an_mqtt_product_without_the_capability_fails(mqtt: MqttStory) -> None:
    product = ProductSnapshot(product_id="m", protocol="MQTT", firmware_upgrade=False)
    mqtt.connect().request(product=product, created_ago=10, policy=UpgradePolicy(max_retries=3))
    assert (mqtt.status, mqtt.reason, mqtt.mqtt) == (ExecutionStatus.FAILED, "capability_missing", [])

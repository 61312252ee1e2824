"""What the version that an MQTT device reports leads to."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.base import utc
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.slots import task_window
from sluice_common.messages.snapshots import UpgradePolicy


@pytest.mark.requirement("R094")
def test_a_device_that_has_the_target_already_succeeds_without_an_upgrade(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).version("2.0")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.SUCCEEDED, "same_version")
    assert not mqtt.mqtt
    assert not mqtt.asks


@pytest.mark.requirement("R095", "R102")
def test_a_device_with_a_supported_version_asks_the_window_of_its_task(mqtt: MqttStory) -> None:
    mqtt.connect().request(sources=("1.*",), created_ago=10).version("1.0")
    assert mqtt.step is Step.AWAIT_SLOT
    (ask,) = mqtt.asks
    assert ask.window == task_window("t")
    assert ask.grant.ask_no == mqtt.offset
    assert mqtt.snapshot.coverage is None


@pytest.mark.requirement("R096")
def test_a_device_with_an_unsupported_version_is_not_upgraded(mqtt: MqttStory) -> None:
    mqtt.connect().request(sources=("0.*",), created_ago=10, policy=UpgradePolicy(max_retries=3)).version("1.0")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "unsupported_source_version")
    assert mqtt.snapshot.reason
    assert mqtt.snapshot.reason.params == {"current": "1.0", "target": "2.0"}


@pytest.mark.parametrize("version", [None, "", " ", "x" * 200])
def test_a_device_that_tells_no_usable_version_fails_when_the_time_for_one_is_over(
    version: str | None, mqtt: MqttStory
) -> None:
    mqtt.reach(Step.QUERY_VERSION).version(version)
    assert (mqtt.is_at(Step.QUERY_VERSION), mqtt.effects) == (True, [])
    mqtt.deadline()
    assert mqtt.mqtt_kinds == ["QueryVersion"]
    mqtt.deadline()
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "version_unreadable")


def test_a_report_without_a_version_may_be_followed_by_one(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).version(None).later(5).version("1.0")
    assert mqtt.is_at(Step.AWAIT_SLOT)
    mqtt.go_on(Step.QUERY_RESULT).version("1.0")
    assert mqtt.reason == "version_mismatch"


@pytest.mark.requirement("R093")
def test_the_query_is_repeated_before_it_counts_as_unanswered(mqtt: MqttStory) -> None:
    began = mqtt.reach(Step.QUERY_VERSION).now
    mqtt.deadline()
    assert (mqtt.now, mqtt.step, mqtt.mqtt_kinds) == (began + 90, Step.QUERY_VERSION, ["QueryVersion"])
    mqtt.deadline()
    assert (mqtt.now, mqtt.step) == (began + 180, Step.AWAIT_ONLINE)


@pytest.mark.requirement("R092")
def test_a_device_that_never_answers_fails_after_so_many_queries(
    policy: Callable[..., UpgradePolicy], tell_mqtt: Callable[..., MqttStory]
) -> None:
    mqtt = tell_mqtt(version_queries=1).reach(Step.QUERY_VERSION, policy(max_retries=1))
    mqtt.deadline().deadline().deadline()
    assert mqtt.is_at(Step.QUERY_VERSION)
    mqtt.deadline().deadline()
    assert (mqtt.step, mqtt.reason) == (Step.RETRY_WAIT, "version_timeout")


def test_the_answer_to_a_version_query_that_was_given_up_counts(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).deadline().deadline()
    mqtt.version("1.0")
    assert mqtt.is_at(Step.AWAIT_SLOT)


def test_a_device_that_connects_anew_is_asked_anew(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).disconnect().connect()
    assert mqtt.mqtt_kinds == ["QueryVersion"]


def test_a_second_version_report_changes_nothing(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT).version("1.0")
    assert (mqtt.step, mqtt.effects) == (Step.AWAIT_SLOT, [])


def test_a_progress_report_is_no_answer_to_a_version_query(mqtt: MqttStory) -> None:
    mqtt.reach(Step.QUERY_VERSION).progress(result_code=10)
    assert (mqtt.step, mqtt.effects) == (Step.QUERY_VERSION, [])


def test_reports_without_a_version_and_without_an_execution_leave_no_record(mqtt: MqttStory) -> None:
    mqtt.version(None).progress(percent=50, version="2.0").progress(result_code=10, version="2.0").served(attempt=1)
    assert mqtt.device is None


def test_a_waiter_fails_when_its_task_ends(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT, UpgradePolicy(end_at=utc(mqtt.now + 60))).deadline()
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "task_ended")
    assert len(mqtt.returns) == 1

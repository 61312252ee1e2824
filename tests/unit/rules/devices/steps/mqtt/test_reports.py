"""What an MQTT device reports, and what follows from it."""

import pytest
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.snapshots import ProductSnapshot, UpgradePolicy
from sluice_common.reasons import MQTT_RESULTS

TOLD = [Step.DOWNLOADING, Step.UPDATING, Step.QUERY_RESULT]
FAILURES = [(code, reason.value) for code, reason in MQTT_RESULTS.items() if reason.value != "already_latest"]


@pytest.mark.requirement("R100", "R101")
@pytest.mark.parametrize("step", TOLD)
@pytest.mark.parametrize("percent", [100, None])
def test_a_device_that_reports_success_and_the_target_has_succeeded(
    step: Step, percent: int | None, mqtt: MqttStory
) -> None:
    mqtt.reach(step).progress(0, percent, "2.0")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.SUCCEEDED, None)
    assert (mqtt.snapshot.source_version, mqtt.snapshot.reported_version) == ("1.0", "2.0")


@pytest.mark.requirement("R100")
@pytest.mark.parametrize("step", TOLD)
def test_a_device_that_reports_the_target_as_its_version_has_succeeded(step: Step, mqtt: MqttStory) -> None:
    mqtt.reach(step).version("2.0")
    assert (mqtt.status, mqtt.snapshot.reported_version) == (ExecutionStatus.SUCCEEDED, "2.0")


@pytest.mark.requirement("R100")
@pytest.mark.parametrize("step", [Step.DOWNLOADING, Step.UPDATING])
@pytest.mark.parametrize(("percent", "version"), [(100, "1.0"), (80, "2.0"), (0, "2.0"), (100, None), (None, None)])
def test_success_with_another_version_or_before_the_end_is_only_progress(
    step: Step, percent: int | None, version: str | None, mqtt: MqttStory
) -> None:
    mqtt.reach(step).progress(0, percent, version)
    assert (mqtt.step, mqtt.status, mqtt.mqtt) == (step, ExecutionStatus.RUNNING, [])
    mqtt.progress(0, 100, "2.0")
    assert mqtt.status is ExecutionStatus.SUCCEEDED


@pytest.mark.requirement("R100")
@pytest.mark.parametrize("step", TOLD)
@pytest.mark.parametrize(
    ("result_code", "reason"), [*FAILURES, (42, "device_reported_failure"), (-1, "device_reported_failure")]
)
def test_every_other_result_fails_the_attempt_with_its_reason(
    step: Step, result_code: int, reason: str, mqtt: MqttStory
) -> None:
    mqtt.reach(step).progress(result_code, 50, "1.0", "out of luck")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, reason)
    assert mqtt.snapshot.reason
    assert mqtt.snapshot.reason.params == {"code": str(result_code), "description": "out of luck"}
    assert mqtt.mqtt_kinds == ["CloseDownload"]


@pytest.mark.parametrize(("version", "reason"), [("2.0", None), ("1.0", "already_latest")])
def test_a_device_that_says_it_is_up_to_date_is_asked_for_its_version(
    version: str, reason: str | None, mqtt: MqttStory
) -> None:
    mqtt.reach(Step.DOWNLOADING, UpgradePolicy(max_retries=3)).progress(3, version="2.0")
    assert (mqtt.is_at(Step.QUERY_RESULT), mqtt.mqtt_kinds, len(mqtt.returns)) == (True, ["QueryVersion"], 1)
    mqtt.progress(3, version="2.0")
    assert not mqtt.effects
    mqtt.version(version)
    assert mqtt.reason == reason
    assert mqtt.status is (ExecutionStatus.FAILED if reason else ExecutionStatus.SUCCEEDED)


@pytest.mark.parametrize("step", [Step.DOWNLOADING, Step.UPDATING])
def test_a_report_for_a_version_of_another_upgrade_changes_nothing(step: Step, mqtt: MqttStory) -> None:
    mqtt.reach(step)
    deadline = mqtt.execution.deadline
    mqtt.later(5).progress(0, 100, "9.9")
    assert (mqtt.step, mqtt.effects, mqtt.execution.deadline) == (step, [], deadline)


@pytest.mark.requirement("R100")
@pytest.mark.parametrize("step", TOLD)
def test_a_failure_counts_whatever_version_it_names(step: Step, mqtt: MqttStory) -> None:
    mqtt.reach(step).progress(5, 0, "app-3")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "not_enough_storage")


def test_a_report_before_the_offer_changes_nothing(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT).progress(10, 100, "1.0").progress(0, 100, "2.0")
    assert (mqtt.step, mqtt.effects) == (Step.AWAIT_SLOT, [])


def test_a_report_that_comes_twice_or_after_the_end_changes_nothing(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING).progress(0, 100, "2.0")
    ended = mqtt.device
    mqtt.progress(0, 100, "2.0").progress(10, 0, "1.0").version("2.0").served(complete=True, attempt=1)
    assert (mqtt.device, mqtt.effects) == (ended, [])


def test_a_late_failure_of_the_last_attempt_does_not_end_the_wait_for_the_next(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING, UpgradePolicy(max_retries=1)).progress(7, 100, "1.0")
    assert mqtt.is_at(Step.RETRY_WAIT)
    mqtt.progress(7, 100, "1.0")
    assert (mqtt.is_at(Step.RETRY_WAIT), mqtt.effects) == (True, [])


@pytest.mark.requirement("R134")
def test_another_attempt_starts_over_at_the_version_query(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING, UpgradePolicy(max_retries=1)).progress(4, 0, "1.0")
    assert (mqtt.step, mqtt.reason, len(mqtt.returns)) == (Step.RETRY_WAIT, "low_battery", 1)
    mqtt.deadline()
    assert (mqtt.is_at(Step.QUERY_VERSION), mqtt.mqtt_kinds) == (True, ["QueryVersion"])
    mqtt.go_on(Step.DOWNLOADING)
    assert (mqtt.execution.attempt.number, mqtt.mqtt_kinds) == (2, ["OfferFirmware"])


def test_a_device_that_did_upgrade_after_all_succeeds_in_its_next_attempt(mqtt: MqttStory) -> None:
    mqtt.reach(Step.UPDATING, UpgradePolicy(max_retries=1)).progress(255, 0, "1.0").deadline()
    mqtt.version("2.0")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.SUCCEEDED, None)


@pytest.mark.parametrize("step", [Step.AWAIT_ONLINE, Step.QUERY_VERSION, Step.AWAIT_SLOT, *TOLD, Step.RETRY_WAIT])
@pytest.mark.requirement("R119", "D12")
def test_a_stop_in_any_step_closes_the_download_returns_the_slot_and_ends(step: Step, mqtt: MqttStory) -> None:
    if step is Step.AWAIT_ONLINE:
        mqtt.request(created_ago=10)
    elif step is Step.RETRY_WAIT:
        mqtt.reach(Step.DOWNLOADING, UpgradePolicy(max_retries=1)).progress(4)
    else:
        mqtt.reach(step)
    mqtt.stop()
    assert (mqtt.step, mqtt.status) == (Step.ENDED, ExecutionStatus.STOPPED)
    assert mqtt.mqtt_kinds == (["CloseDownload"] if step in TOLD else [])
    assert len(mqtt.returns) == (1 if step in (Step.AWAIT_SLOT, Step.DOWNLOADING) else 0)


def test_a_success_closes_the_download_too(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).progress(0, 100, "2.0")
    (close,) = mqtt.mqtt
    assert (type(close).__name__, close.execution_id, close.attempt) == ("CloseDownload", "t:d", 1)
    assert len(mqtt.returns) == 1


def test_the_messages_of_mqtt_devices_mean_nothing_to_an_lwm2m_upgrade(mqtt: MqttStory) -> None:
    mqtt.connect().request(product=ProductSnapshot(product_id="p"), created_ago=10)
    mqtt.version("2.0").progress(10).served(complete=True)
    assert (mqtt.step, mqtt.effects) == (Step.QUERY_VERSION, [])

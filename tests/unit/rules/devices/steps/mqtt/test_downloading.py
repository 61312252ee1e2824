"""The offer to an MQTT device, and its download."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.base import utc
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.mqtt_commands import OfferFirmware
from sluice_common.messages.slots import task_window
from sluice_common.messages.snapshots import ProductSnapshot, UpgradePolicy
from sluice_rules.devices.attempt import SlotState

DAY = 86_400.0


@pytest.mark.requirement("R097", "R099")
def test_a_granted_device_is_offered_the_package_with_a_token_for_a_day(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT).grant()
    (offer,) = mqtt.mqtt
    assert isinstance(offer, OfferFirmware)
    assert (offer.execution_id, offer.attempt) == ("t:d", 1)
    assert (offer.package.version, offer.package.image_size, offer.package.image_sha256) == ("2.0", 65_536, "ab")
    assert offer.not_after == offer.expires_at == utc(mqtt.now + DAY)
    assert not offer.one_based_ranges
    assert mqtt.step is Step.DOWNLOADING


@pytest.mark.requirement("R099")
@pytest.mark.parametrize(("deadline", "lifetime", "shorter"), [(100.0, DAY, 100.0), (2 * DAY, DAY, DAY)])
def test_the_token_ends_with_the_download_at_the_latest(
    deadline: float, lifetime: float, shorter: float, policy: Callable[..., UpgradePolicy], mqtt: MqttStory
) -> None:
    assert mqtt.rules.token_lifetime == lifetime
    mqtt.reach(Step.AWAIT_SLOT, policy(mqtt_download=deadline)).grant()
    (offer,) = mqtt.mqtt
    assert isinstance(offer, OfferFirmware)
    assert offer.not_after == utc(mqtt.now + shorter)


@pytest.mark.requirement("D13")
def test_an_offer_says_that_the_product_counts_bytes_from_one(mqtt: MqttStory) -> None:
    product = ProductSnapshot(product_id="m", protocol="MQTT", one_based_ranges=True)
    mqtt.connect().request(product=product, created_ago=10).go_on(Step.AWAIT_SLOT).grant()
    (offer,) = mqtt.mqtt
    assert isinstance(offer, OfferFirmware)
    assert offer.one_based_ranges


@pytest.mark.requirement("R102")
def test_the_slot_is_returned_when_the_last_byte_is_served(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING)
    grant = mqtt.execution.grant
    mqtt.served(complete=True)
    assert [(r.window, r.grant, r.keep_place) for r in mqtt.returns] == [(task_window("t"), grant, False)]
    assert mqtt.step is Step.UPDATING


@pytest.mark.requirement("R098")
def test_readers_see_the_download_begin_and_end_once(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).served()
    assert [s.firmware_state for s in mqtt.snapshots] == [1]
    mqtt.later(60).served()
    assert not mqtt.snapshots
    mqtt.served(complete=True)
    assert [(s.firmware_state, s.step) for s in mqtt.snapshots] == [(2, Step.UPDATING)]


def test_a_device_that_does_not_fetch_gives_its_slot_to_another_but_may_still_come(mqtt: MqttStory) -> None:
    began = mqtt.reach(Step.DOWNLOADING).now
    mqtt.disconnect().deadline()
    assert mqtt.now == began + 300
    assert [r.keep_place for r in mqtt.returns] == [False]
    assert (mqtt.step, mqtt.mqtt, mqtt.asks) == (Step.DOWNLOADING, [], [])
    mqtt.later(3600).served()
    assert (mqtt.step, mqtt.effects) == (Step.DOWNLOADING, mqtt.snapshots)
    mqtt.served(complete=True)
    assert mqtt.is_at(Step.UPDATING)
    assert not mqtt.returns


@pytest.mark.requirement("R102")
@pytest.mark.parametrize("sign", ["bytes", "report"])
def test_a_device_that_goes_on_without_a_slot_asks_for_one_and_is_not_disturbed_by_it(
    sign: str, mqtt: MqttStory
) -> None:
    mqtt.reach(Step.DOWNLOADING).served().deadline()
    assert (mqtt.step, len(mqtt.returns), mqtt.asks) == (Step.DOWNLOADING, 1, [])
    mqtt.later(3600)
    if sign == "bytes":
        mqtt.served()
    else:
        mqtt.progress(percent=30)
    assert len(mqtt.asks) == 1
    mqtt.later(100).grant()
    assert (mqtt.step, mqtt.effects) == (Step.DOWNLOADING, [])
    assert mqtt.execution.deadline == mqtt.now + 200
    mqtt.probe(mqtt.execution.grant, task_window("t"))
    assert len(mqtt.holds) == 1
    mqtt.deadline()
    assert (mqtt.step, len(mqtt.returns)) == (Step.DOWNLOADING, 1)


def test_the_end_of_a_download_without_a_slot_takes_the_device_out_of_the_queue(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).served().deadline().served()
    asked = mqtt.execution.grant
    mqtt.served(complete=True)
    assert (mqtt.step, [r.grant for r in mqtt.returns]) == (Step.UPDATING, [asked])
    mqtt.grant(asked)
    assert [r.grant for r in mqtt.returns] == [asked]


@pytest.mark.requirement("R102")
def test_a_device_that_connects_again_and_again_and_never_fetches_has_no_slot_for_long(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT)
    held, offers = 0.0, 0
    while not mqtt.is_at(Step.QUERY_RESULT):
        if mqtt.is_at(Step.AWAIT_SLOT):
            offers += "OfferFirmware" in mqtt.grant().mqtt_kinds
        since, has_slot = mqtt.now, mqtt.execution.attempt.slot is SlotState.HELD
        mqtt.later(60).disconnect().connect().later(20).disconnect().connect().deadline()
        held += (mqtt.now - since) * has_slot
    assert offers == 1 + mqtt.rules.max_slot_yields
    assert held == offers * (60 + mqtt.rules.offer_again)


@pytest.mark.requirement("R102")
def test_a_byte_makes_a_device_worth_further_slots(tell_mqtt: Callable[..., MqttStory]) -> None:
    mqtt = tell_mqtt(max_slot_yields=1).reach(Step.DOWNLOADING)
    for _ in range(3):
        mqtt.disconnect().connect().deadline()
        assert mqtt.is_at(Step.AWAIT_SLOT)
        mqtt.grant().served()
    mqtt.disconnect().connect().deadline().grant().deadline().disconnect().connect()
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.asks) == (True, [])


def test_no_slot_is_asked_for_again_after_the_tasks_end(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING, UpgradePolicy(end_at=utc(mqtt.now + 60)))
    mqtt.disconnect().connect().later(100).deadline()
    assert (mqtt.step, len(mqtt.returns), mqtt.asks) == (Step.DOWNLOADING, 1, [])
    mqtt.served(complete=True)
    assert mqtt.is_at(Step.UPDATING)


@pytest.mark.parametrize("sign", ["bytes", "report"])
def test_every_byte_and_every_progress_report_keeps_the_slot(sign: str, mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING)
    for percent in range(5):
        mqtt.later(200)
        if sign == "bytes":
            mqtt.served()
        else:
            mqtt.progress(percent=percent, version="1.0")
    assert mqtt.execution.deadline == mqtt.now + 300
    assert not mqtt.returns


def test_a_probe_finds_the_slot_held_until_the_download_is_complete(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING)
    grant = mqtt.execution.grant
    mqtt.probe(grant, task_window("t"))
    assert len(mqtt.holds) == 1
    mqtt.served(complete=True).probe(grant, task_window("t"))
    assert (len(mqtt.holds), len(mqtt.returns)) == (0, 1)


def test_going_offline_during_a_download_is_no_failure(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).served().disconnect()
    assert (mqtt.step, mqtt.effects) == (Step.DOWNLOADING, [])
    mqtt.later(60).served(complete=True)
    assert mqtt.is_at(Step.UPDATING)


def test_a_device_that_never_begins_is_offered_the_image_once_more(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).deadline()
    assert (mqtt.step, mqtt.mqtt, len(mqtt.returns), len(mqtt.asks)) == (Step.AWAIT_SLOT, [], 1, 1)
    mqtt.grant()
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.mqtt_kinds) == (True, ["OfferFirmware"])
    mqtt.deadline()
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.mqtt, len(mqtt.returns), mqtt.asks) == (True, [], 1, [])


def test_a_device_that_began_is_not_offered_the_image_once_more(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).served().deadline()
    assert (mqtt.step, mqtt.mqtt, len(mqtt.returns)) == (Step.DOWNLOADING, [], 1)


def test_a_device_that_connects_anew_and_begins_by_itself_gets_no_second_offer(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).disconnect().connect()
    assert not mqtt.mqtt
    mqtt.later(20).served()
    assert mqtt.execution.deadline == mqtt.now + 300


def test_a_device_that_connects_anew_and_does_not_begin_gets_its_offer_again_under_another_slot(
    mqtt: MqttStory,
) -> None:
    mqtt.reach(Step.AWAIT_SLOT).grant()
    (first,) = mqtt.mqtt
    mqtt.later(60).disconnect().connect()
    connected = mqtt.now
    mqtt.deadline()
    assert mqtt.now == connected + 30
    assert (mqtt.mqtt, len(mqtt.returns), len(mqtt.asks)) == ([], 1, 1)
    (second,) = mqtt.grant().mqtt
    assert isinstance(first, OfferFirmware)
    assert isinstance(second, OfferFirmware)
    assert (second.attempt, second.not_after) == (first.attempt, first.not_after)
    assert second.command_id != first.command_id


def test_a_device_that_reports_on_its_old_connection_gets_no_second_offer(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).uplink(1e10)
    assert not mqtt.mqtt


def test_a_device_that_connects_anew_while_it_downloads_is_not_disturbed_but_asked_for_its_version(
    mqtt: MqttStory,
) -> None:
    mqtt.reach(Step.DOWNLOADING).served().disconnect().connect()
    assert (mqtt.step, mqtt.mqtt_kinds) == (Step.DOWNLOADING, ["QueryVersion"])
    mqtt.version("1.0")
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.effects) == (True, [])


def test_a_device_that_connected_anew_and_then_idles_gets_another_slot_and_another_offer(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).served()
    until = mqtt.execution.attempt.not_after
    mqtt.disconnect().connect().deadline()
    assert mqtt.is_at(Step.AWAIT_SLOT)
    assert (len(mqtt.returns), len(mqtt.asks)) == (1, 1)
    mqtt.grant()
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.mqtt_kinds) == (True, ["OfferFirmware"])
    assert mqtt.execution.attempt.not_after == until


def test_an_idle_device_that_connects_anew_gets_another_slot_first(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).disconnect().deadline().later(3600).connect()
    assert (mqtt.step, len(mqtt.asks)) == (Step.AWAIT_SLOT, 1)
    assert "OfferFirmware" not in mqtt.mqtt_kinds


def test_a_device_that_goes_on_by_itself_needs_no_second_offer(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).disconnect().deadline().connect()
    assert mqtt.is_at(Step.AWAIT_SLOT)
    mqtt.served()
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.returns, mqtt.mqtt) == (True, [], [])
    mqtt.grant()
    assert (mqtt.is_at(Step.DOWNLOADING), mqtt.effects) == (True, [])


def test_a_device_that_ends_its_download_while_it_waits_for_a_second_offer_goes_on(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).disconnect().deadline().connect()
    mqtt.served(complete=True)
    assert (mqtt.step, len(mqtt.returns)) == (Step.UPDATING, 1)


def test_a_device_that_reports_progress_while_it_waits_for_a_second_offer_goes_on(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).disconnect().deadline().connect()
    mqtt.progress(percent=40)
    assert mqtt.is_at(Step.DOWNLOADING)


@pytest.mark.requirement("R099")
def test_at_the_tokens_end_the_version_settles_whether_the_download_failed(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).deadline().grant().deadline().deadline()
    assert (mqtt.is_at(Step.QUERY_RESULT), mqtt.mqtt_kinds) == (True, ["QueryVersion"])
    mqtt.version("1.0")
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "download_timeout")
    assert mqtt.mqtt_kinds == ["CloseDownload"]


@pytest.mark.requirement("R099")
def test_a_waiter_for_a_second_offer_does_not_outlive_the_first(mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).disconnect().deadline().connect()
    until = mqtt.execution.attempt.not_after
    while mqtt.is_at(Step.AWAIT_SLOT):
        mqtt.deadline()
    assert (mqtt.step, mqtt.now) == (Step.QUERY_RESULT, until)
    mqtt.deadline().deadline()
    assert (mqtt.status, mqtt.reason) == (ExecutionStatus.FAILED, "download_timeout")


@pytest.mark.parametrize(("task", "attempt"), [("t", 2), ("u", 1)])
def test_the_download_of_another_attempt_or_task_changes_nothing(task: str, attempt: int, mqtt: MqttStory) -> None:
    mqtt.reach(Step.DOWNLOADING).served(complete=True, attempt=attempt, task=task)
    assert (mqtt.step, mqtt.effects) == (Step.DOWNLOADING, [])


def test_a_grant_for_a_device_that_has_left_goes_back_and_the_place_is_kept(mqtt: MqttStory) -> None:
    mqtt.reach(Step.AWAIT_SLOT).disconnect().grant()
    assert [r.keep_place for r in mqtt.returns] == [True]
    assert (mqtt.step, mqtt.mqtt) == (Step.AWAIT_SLOT, [])
    mqtt.connect()
    assert len(mqtt.asks) == 1

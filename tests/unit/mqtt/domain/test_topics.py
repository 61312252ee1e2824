"""Topics that devices may use."""

import pytest

from sluice_mqtt.domain.topics import ALL_UPLINKS, down_topic, may_use, sender


@pytest.mark.parametrize(
    "topic",
    [
        "$oc/devices/d1/sys/events/up",
        "$oc/devices/d1/sys/events/down",
        "$oc/devices/d1/sys/messages/up",
        "$oc/devices/d1/sys/properties/report",
        "$oc/devices/d1/user/anything/at/all",
        "$oc/devices/d1/#",
        "$oc/devices/d1/sys/commands/+",
    ],
)
def test_a_device_may_use_everything_below_its_own_prefix(topic: str) -> None:
    assert may_use("d1", topic)


@pytest.mark.parametrize(
    "topic",
    [
        *("#", "+/#", "$oc/#", "$oc/devices/#", "$oc/devices/+/sys/events/up", "$oc/devices/d2/sys/events/up"),
        *("$oc/devices/d10/sys/events/up", "$oc/devices/d1", "$oc/devices/d1/", "$share/g/$oc/devices/d1/#"),
        *("$SYS/#", "sluice/heartbeat/x", ""),
    ],
)
def test_a_device_may_use_no_topic_outside_its_prefix(topic: str) -> None:
    assert not may_use("d1", topic)


@pytest.mark.parametrize("device_id", ["", "+", "#", "d1/#", "a+b"])
def test_a_device_named_like_a_filter_may_use_nothing(device_id: str) -> None:
    assert not may_use(device_id, f"$oc/devices/{device_id}/sys/events/up")


def test_the_topic_of_an_uplink_names_its_device() -> None:
    assert sender("$oc/devices/d1/sys/events/up") == "d1"
    assert sender("$oc/devices/d1/sys/messages/up") is None
    assert sender("$oc/devices/d1/x/sys/events/up") is None
    assert sender("$oc/devices//sys/events/up") is None
    assert ALL_UPLINKS == "$oc/devices/+/sys/events/up"
    assert down_topic("d1") == "$oc/devices/d1/sys/events/down"

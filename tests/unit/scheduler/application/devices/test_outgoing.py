"""Where effects go."""

from typing import Any

import pytest

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotReturn
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceCommandStatus, DeviceFirmwareChanged
from sluice_common.messages.lwm2m_commands import CloseDownload
from sluice_common.messages.mqtt_commands import QueryVersion
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.partitions import partition_for
from sluice_rules.devices.effects import Effect, ToGateway, ToMqtt
from sluice_scheduler.application.devices.outgoing import TooLargeError, outgoing

PARTITIONS = 24
HEAD: dict[str, Any] = {"app_id": "app", "occurred_at": utc(1_800_000_000.0), "device_id": "d"}
NAME: dict[str, Any] = {"command_id": "c", "execution_id": "t:d", "attempt": 1}
WINDOW = WindowKey(network="n", cell_id=7, coverage_class=CoverageClass.LEVEL_0)
GRANT = Grant(execution_id="t:d", attempt=1, ask_no=1)


@pytest.mark.parametrize(
    ("effect", "topic", "key", "partition_key"),
    [
        (ToMqtt(QueryVersion(**HEAD, **NAME, expires_at=utc(0))), "mqtt-commands", "d", "d"),
        (SlotReturn(**HEAD, window=WINDOW, grant=GRANT), "cell-requests", "n/7", "n/7"),
        (
            DeviceCommandChanged(**HEAD, command_id="c", version=1, status=DeviceCommandStatus.SENT),
            "command-events",
            "c",
            "d",
        ),
        (DeviceFirmwareChanged(**HEAD, firmware_version="2.0"), "execution-events", "d", "d"),
    ],
)
def test_an_effect_goes_to_the_topic_of_its_kind(effect: Effect, topic: str, key: str, partition_key: str) -> None:
    message = outgoing(effect, "d", PARTITIONS)
    assert (message.topic.name, message.key) == (topic, key)
    assert message.partition == partition_for(partition_key, PARTITIONS)


def test_a_command_goes_to_the_partition_of_its_gateway() -> None:
    message = outgoing(ToGateway(5, CloseDownload(**HEAD, **NAME)), "d", PARTITIONS)
    assert (message.topic.name, message.key, message.partition) == ("lwm2m-commands", "d", 5)


def test_an_effect_that_is_larger_than_a_message_raises_a_too_large_error() -> None:
    effect = ToGateway(5, CloseDownload(**HEAD, **NAME | {"command_id": "c" * 1_000_000}))
    with pytest.raises(TooLargeError, match="lwm2m-commands"):
        outgoing(effect, "d", PARTITIONS)

"""The messages between the scheduler and the MQTT gateway survive the wire; their window is one per task."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sluice_common.messages import codec
from sluice_common.messages.base import to_json
from sluice_common.messages.device_events import DownloadProgressed, UpgradeProgressReported, VersionReported
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware, QueryVersion
from sluice_common.messages.slots import CoverageClass, task_window
from sluice_common.messages.snapshots import PackageSnapshot
from sluice_common.topics import ALL_TOPICS, DEVICE_EVENTS, MQTT_COMMANDS

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEAD: dict[str, Any] = {"app_id": "app", "occurred_at": AT, "device_id": "d"}
COMMAND: dict[str, Any] = {**HEAD, "execution_id": "t:d", "attempt": 2, "command_id": "t:d:2:9"}
PACKAGE = PackageSnapshot(package_id="p", version="V2", image_id="i", image_size=5, image_sha256="00")


@pytest.mark.parametrize(
    "command",
    [
        QueryVersion(**COMMAND, expires_at=AT),
        OfferFirmware(**COMMAND, expires_at=AT, package=PACKAGE, not_after=AT, one_based_ranges=True),
        CloseDownload(**COMMAND),
    ],
)
def test_a_command_comes_back_equal(command: Any) -> None:
    assert codec.MQTT_COMMANDS.decode(to_json(command)) == command


@pytest.mark.parametrize(
    "event",
    [
        VersionReported(**HEAD, firmware_version="V1", software_version="S1"),
        VersionReported(**HEAD),
        UpgradeProgressReported(**HEAD, result_code=0, progress=80, version="V2", description="on its way"),
        UpgradeProgressReported(**HEAD, result_code=255),
        DownloadProgressed(**HEAD, execution_id="t:d", attempt=1, complete=True),
    ],
)
def test_an_event_comes_back_equal(event: Any) -> None:
    assert codec.DEVICE_EVENTS.decode(to_json(event)) == event


def test_commands_are_kept_longer_than_a_download_token_lives() -> None:
    assert MQTT_COMMANDS in ALL_TOPICS
    assert MQTT_COMMANDS.name == "mqtt-commands"
    assert int(MQTT_COMMANDS.config["retention.ms"]) == 2 * 86_400_000
    assert int(DEVICE_EVENTS.config["retention.ms"]) > int(MQTT_COMMANDS.config["retention.ms"])


@pytest.mark.requirement("R102")
def test_all_mqtt_devices_of_a_task_share_one_window_that_belongs_to_no_cell() -> None:
    window = task_window("65a1")
    assert window.cell_key == "task:65a1/0"
    assert window.coverage_class is CoverageClass.TASK
    assert window != task_window("65a2")

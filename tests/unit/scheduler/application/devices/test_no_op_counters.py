"""Events that change nothing are counted by their kind."""

from typing import Any

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceEvent, UpgradeProgressReported, VersionReported
from sluice_common.messages.mqtt_commands import CloseDownload
from sluice_rules.devices.decide import Decision, decide
from sluice_rules.devices.device import Device
from sluice_rules.devices.effects import ToMqtt
from sluice_rules.devices.rules import Rules
from sluice_scheduler.application.devices.no_op_counters import NoOpCounters

HEAD: dict[str, Any] = {"app_id": "app", "occurred_at": utc(1_800_000_000.0), "device_id": "d"}
CLOSE = CloseDownload(**HEAD, command_id="c", execution_id="t:d", attempt=1)
REPORT = UpgradeProgressReported(**HEAD, result_code=0, progress=100, version="2.0")


def decided(ignored: NoOpCounters, event: DeviceEvent) -> None:
    ignored.note(event, None, decide(None, event, 1, Rules()))


def test_reports_that_no_upgrade_waits_for_are_counted() -> None:
    ignored = NoOpCounters()
    decided(ignored, REPORT)
    decided(ignored, REPORT)
    decided(ignored, VersionReported(**HEAD, firmware_version="2.0"))
    assert ignored.log_fields() == {"ignored_upgrade_progress_reported": 2, "ignored_version_reported": 1}


def test_what_changes_a_record_or_has_effects_is_not_counted() -> None:
    ignored, device = NoOpCounters(), Device(device_id="d")
    ignored.note(REPORT, None, Decision(device, []))
    ignored.note(REPORT, device, Decision(device, [ToMqtt(CLOSE)]))
    assert ignored.log_fields() == {}

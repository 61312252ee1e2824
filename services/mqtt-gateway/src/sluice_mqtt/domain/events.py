"""What the gateway publishes on `device-events`, made of what the broker and the devices say."""

from datetime import UTC, datetime

from sluice_common.messages.base import Message, utc
from sluice_common.messages.device_events import (
    DeviceDeregistered,
    DeviceUplink,
    DownloadProgressed,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_mqtt.domain.downloads import DownloadPermission
from sluice_mqtt.domain.presence import Change, Online
from sluice_mqtt.domain.reports import ProgressReport, VersionReport

_WHILE_CONNECTED = datetime(9999, 1, 1, tzinfo=UTC)
"""Nobody knows when a connection will end."""


def presence_event(app_id: str, change: Change, now: float) -> Message:
    """Return that a device is connected or not."""
    if not isinstance(change, Online):
        return DeviceDeregistered(app_id=app_id, occurred_at=utc(now), device_id=change.device_id, epoch=change.epoch)
    return DeviceUplink(
        app_id=app_id,
        occurred_at=utc(now),
        device_id=change.device_id,
        kind=UplinkKind.REGISTER if change.is_new else UplinkKind.DATA,
        gateway=0,
        epoch=change.epoch,
        awake_until=_WHILE_CONNECTED,
    )


def report_event(
    app_id: str, device_id: str, report: VersionReport | ProgressReport, now: float, *, is_live: bool
) -> Message:
    """Return what a device reports; `is_live` if it is believed to be connected."""
    if isinstance(report, VersionReport):
        return VersionReported(
            app_id=app_id,
            occurred_at=utc(now),
            device_id=device_id,
            firmware_version=report.firmware_version,
            software_version=report.software_version,
            live=is_live,
        )
    return UpgradeProgressReported(
        app_id=app_id,
        occurred_at=utc(now),
        device_id=device_id,
        result_code=report.result_code,
        progress=report.progress,
        version=report.version,
        description=report.description,
        live=is_live,
    )


def download_event(permission: DownloadPermission, now: float, *, is_complete: bool) -> DownloadProgressed:
    """Return that a download goes on, or that the device has all of the image."""
    return DownloadProgressed(
        app_id=permission.app_id,
        occurred_at=utc(now),
        device_id=permission.device_id,
        execution_id=permission.execution_id,
        attempt=permission.attempt,
        complete=is_complete,
    )

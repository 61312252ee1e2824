"""What the gateway tells the scheduler: the topic `device-events`, key device_id."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from sluice_common.bus import Producer
from sluice_common.messages.base import Message, utc
from sluice_common.messages.device_events import (
    DeviceDeregistered,
    DeviceUplink,
    DownloadProgressed,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.topics import DEVICE_EVENTS
from sluice_mqtt.application.pending_operations import Waits
from sluice_mqtt.domain.permissions import Right
from sluice_mqtt.domain.presence import Change, Online
from sluice_mqtt.domain.uplinks import ProgressReport, VersionReport

_log = structlog.get_logger()
_RETRY_DELAY = 1.0
_WHILE_CONNECTED = datetime(9999, 1, 1, tzinfo=UTC)
"""Nobody knows when a connection will end."""


class DeviceEvents:
    """Publishes events; a publication ends only when Kafka has them, however long Kafka is away.

    Callers bound how many publications there are at once: aiokafka wakes all who wait for a full batch, which costs the
    square of their number.
    """

    def __init__(self, producer: Producer, waits: Waits) -> None:
        self._producer = producer
        self._waits = waits

    async def publish(self, device_id: str, events: Sequence[Message]) -> None:
        """Return when Kafka has the events, in their order."""
        wait = self._waits.begin()
        try:
            while True:
                if await self._sent(device_id, events):
                    return
                await asyncio.sleep(_RETRY_DELAY)
        finally:
            self._waits.end(wait)

    async def _sent(self, device_id: str, events: Sequence[Message]) -> bool:
        try:
            futures = [await self._producer.send(DEVICE_EVENTS, device_id, event) for event in events]
            for future in futures:
                await future
        except KafkaError as error:
            _log.warning("event_not_published", device_id=device_id, reason=repr(error))
            return False
        return True


def presence_event(app_id: str, change: Change, now: float) -> Message:
    """Return that a device is connected or not."""
    common: dict[str, Any] = {"app_id": app_id, "occurred_at": utc(now), "device_id": change.device_id}
    if not isinstance(change, Online):
        return DeviceDeregistered(epoch=change.epoch, **common)
    kind = UplinkKind.REGISTER if change.is_new else UplinkKind.DATA
    return DeviceUplink(kind=kind, gateway=0, epoch=change.epoch, awake_until=_WHILE_CONNECTED, **common)


def report_event(app_id: str, device_id: str, report: VersionReport | ProgressReport, now: float) -> Message:
    """Return what a device reports."""
    common: dict[str, Any] = {"app_id": app_id, "occurred_at": utc(now), "device_id": device_id}
    if isinstance(report, VersionReport):
        return VersionReported(
            firmware_version=report.firmware_version, software_version=report.software_version, **common
        )
    return UpgradeProgressReported(
        result_code=report.result_code,
        progress=report.progress,
        version=report.version,
        description=report.description,
        **common,
    )


def download_event(right: Right, now: float, *, is_complete: bool) -> DownloadProgressed:
    """Return how a download goes."""
    return DownloadProgressed(
        app_id=right.app_id,
        occurred_at=utc(now),
        device_id=right.device_id,
        execution_id=right.execution_id,
        attempt=right.attempt,
        complete=is_complete,
    )

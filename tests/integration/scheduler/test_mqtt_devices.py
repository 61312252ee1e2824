"""Both stages as processes on a real Kafka upgrade MQTT devices, through the one window of their task."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from tests.integration.scheduler.reading import messages
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages import codec
from sluice_common.messages.base import now, utc
from sluice_common.messages.device_events import (
    DeviceUplink,
    DownloadProgressed,
    ExecutionRequested,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.messages.execution_events import ExecutionChanged
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware, QueryVersion
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_common.resources import started
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS, MQTT_COMMANDS

DEVICES = 12
LIMIT = 3
SLOWEST = 120.0
"""Seconds until everything must have happened, the start of both stages included."""


class Fleet:
    """MQTT devices and their gateway, seen from Kafka."""

    def __init__(self, kafka: str, producer: Producer) -> None:
        self._kafka = kafka
        self._producer = producer
        self.task_id = new_id()
        self.device_ids = [new_id() for _ in range(DEVICES)]
        self.downloading: set[str] = set()
        self.max_at_once = 0
        self.closed: set[str] = set()
        self.ended: dict[str, ExecutionChanged] = {}

    async def tell(self, kind: Any, device_id: str, /, **fields: Any) -> None:
        """Send an event of a device."""
        event = kind(app_id="app", occurred_at=now(), device_id=device_id, **fields)
        await self._producer.publish(DEVICE_EVENTS, device_id, event)

    async def begin(self) -> None:
        """Connect all devices and request their upgrades."""
        for device_id in self.device_ids:
            await self.tell(
                DeviceUplink,
                device_id,
                kind=UplinkKind.REGISTER,
                gateway=0,
                epoch=1,
                awake_until=utc(253_402_300_799.0),
            )
            await self.tell(
                ExecutionRequested,
                device_id,
                execution_id=execution_id(self.task_id, device_id),
                task_id=self.task_id,
                product=ProductSnapshot(product_id="m", protocol="MQTT", upgrade_protocol=""),
                package=PackageSnapshot(package_id="k", version="2.0", image_id="i", image_size=1, image_sha256="ab"),
                policy=UpgradePolicy(waiting=0.0),
                created_at=now(),
            )

    async def play(self) -> None:
        """Do what the devices are told, until cancelled."""
        async with started(self._reader(MQTT_COMMANDS.name)) as commands, asyncio.TaskGroup() as downloads:
            async for key, command in messages(commands, codec.MQTT_COMMANDS):
                if command.device_id not in self.device_ids:
                    continue
                assert key == command.device_id.encode()
                if isinstance(command, QueryVersion):
                    await self.tell(VersionReported, command.device_id, firmware_version="1.0")
                elif isinstance(command, OfferFirmware):
                    downloads.create_task(self._upgrade(command))
                elif isinstance(command, CloseDownload):
                    self.closed.add(command.device_id)

    async def _upgrade(self, offer: OfferFirmware) -> None:
        self.downloading.add(offer.device_id)
        self.max_at_once = max(self.max_at_once, len(self.downloading))
        token = {"execution_id": offer.execution_id, "attempt": offer.attempt}
        await self.tell(DownloadProgressed, offer.device_id, **token)
        await asyncio.sleep(0.5)
        self.downloading.discard(offer.device_id)
        await self.tell(DownloadProgressed, offer.device_id, **token, complete=True)
        await self.tell(UpgradeProgressReported, offer.device_id, result_code=0, progress=100, version="1.0")
        await self.tell(UpgradeProgressReported, offer.device_id, result_code=0, progress=100, version="2.0")

    async def watch(self) -> None:
        """Return when all executions have ended."""
        async with started(self._reader(EXECUTION_EVENTS.name)) as events:
            async for _, event in messages(events, codec.EXECUTION_EVENTS):
                if isinstance(event, ExecutionChanged) and event.task_id == self.task_id and event.status.is_final:
                    self.ended[event.device_id] = event
                if len(self.ended) == DEVICES:
                    return

    def _reader(self, topic: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(topic, bootstrap_servers=self._kafka, auto_offset_reset="earliest")


def _ignored(log: Path) -> list[int]:
    """Return how many progress reports the stage `devices` says to have ignored, each time that it says so."""
    return [int(count) for count in re.findall(r'"ignored_upgrade_progress_reported": ?(\d+)', log.read_text())]


@pytest.mark.requirement("R091", "R093", "R097", "R100", "R101", "R102")
async def test_mqtt_devices_upgrade_so_many_at_once_and_all_their_downloads_are_closed(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    workers.start("devices")
    workers.start("cells", "cells", window_limit_task=LIMIT)
    fleet = Fleet(kafka, producer)
    async with asyncio.timeout(SLOWEST):
        playing = asyncio.create_task(fleet.play())
        watching = asyncio.create_task(fleet.watch())
        await fleet.begin()
        await watching
        while len(fleet.closed) < DEVICES:
            await asyncio.sleep(0.05)
        before = max(_ignored(workers.log("devices")), default=0)
        for _ in range(3):
            await fleet.tell(UpgradeProgressReported, fleet.device_ids[0], result_code=0, progress=100, version="2.0")
        while max(_ignored(workers.log("devices")), default=0) < before + 3:
            await asyncio.sleep(0.1)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert {event.status.value for event in fleet.ended.values()} == {"SUCCEEDED"}
    assert {event.reported_version for event in fleet.ended.values()} == {"2.0"}
    assert 0 < fleet.max_at_once <= LIMIT

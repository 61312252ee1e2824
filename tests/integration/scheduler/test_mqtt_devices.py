"""Both stages as processes on a real Kafka upgrade MQTT devices, through the one window of their task."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from tests.integration.scheduler.reading import messages

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
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS, MQTT_COMMANDS

DEVICES = 12
LIMIT = 3
SLOWEST = 120.0
"""Seconds until everything must have happened, the start of both stages included."""


@pytest_asyncio.fixture
async def producer(kafka: str, tmp_path: Path) -> AsyncIterator[Producer]:
    """Start both stages and what the test speaks with; all end with the test."""
    settings = {
        "SLUICE_KAFKA_BOOTSTRAP": kafka,
        "SLUICE_DEVICES_DATA_DIR": str(tmp_path / "records"),
        "SLUICE_DEVICES_SESSION_TIMEOUT": "6",
        "SLUICE_WINDOW_LIMIT_TASK": str(LIMIT),
        "SLUICE_DEVICES_COUNTERS_INTERVAL": "0.5",
    }
    stages = [_start(name, settings, tmp_path) for name in ("devices", "cells")]
    sender = Producer(CommonSettings(kafka_bootstrap=kafka))
    await sender.start()
    yield sender
    await sender.stop()
    for stage in stages:
        stage.terminate()
    for stage in stages:
        stage.wait(SLOWEST)


def _start(name: str, settings: dict[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    ready = {"SLUICE_READY_FILE": str(folder / f"{name}.ready")}
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"sluice_scheduler.entrypoints.{name}"],
            env={**os.environ, **settings, **ready},
            cwd=folder,
            stdout=log,
            stderr=log,
        )


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
        async with self._reader(MQTT_COMMANDS.name) as commands, asyncio.TaskGroup() as downloads:
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
        async with self._reader(EXECUTION_EVENTS.name) as events:
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
    kafka: str, producer: Producer, tmp_path: Path
) -> None:
    fleet = Fleet(kafka, producer)
    async with asyncio.timeout(SLOWEST):
        playing = asyncio.create_task(fleet.play())
        watching = asyncio.create_task(fleet.watch())
        await fleet.begin()
        await watching
        while len(fleet.closed) < DEVICES:
            await asyncio.sleep(0.05)
        before = max(_ignored(tmp_path / "devices.log"), default=0)
        for _ in range(3):
            await fleet.tell(UpgradeProgressReported, fleet.device_ids[0], result_code=0, progress=100, version="2.0")
        while max(_ignored(tmp_path / "devices.log"), default=0) < before + 3:
            await asyncio.sleep(0.1)
    playing.cancel()
    assert {event.status.value for event in fleet.ended.values()} == {"SUCCEEDED"}
    assert {event.reported_version for event in fleet.ended.values()} == {"2.0"}
    assert 0 < fleet.max_at_once <= LIMIT

"""Hints from the API to the relay over a real Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.api.api_client import made
from tests.integration.api.fleet import NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import NewProcess
from tests.integration.api.waiting import eventually
from tests.processes import ServiceProcess

from sluice_api.adapters.relay_hints import KafkaHints, follow_hints
from sluice_common.messages.device_events import DeviceCommandRequested
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS


@asynccontextmanager
async def running(*work: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.wait(work)


async def test_a_hint_reaches_every_relay_and_many_at_once_are_few(kafka: str) -> None:
    settings = CommonSettings(kafka_bootstrap=kafka, linger=0.0)
    hints, got = KafkaHints(settings), [asyncio.Event(), asyncio.Event()]
    count = 0

    def first() -> None:
        nonlocal count
        count += 1
        got[0].set()

    sending = asyncio.create_task(hints.run())
    relays = [asyncio.create_task(follow_hints(settings, take)) for take in (first, got[1].set)]
    async with running(sending, *relays), asyncio.timeout(60.0):
        while not all(event.is_set() for event in got):  # relays may not have reached the topic's end yet
            hints.give()
            await asyncio.sleep(0.1)
        before = count
        got[0].clear()
        for _ in range(1000):
            hints.give()
        await got[0].wait()
        await asyncio.sleep(0.2)
        assert count - before < 10


def test_a_message_is_published_at_once_by_a_relay_that_looks_seldom(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, new_process: NewProcess
) -> None:
    fleet = new_fleet()
    (device_id,) = fleet.devices(1)
    path, body = f"/devices/{device_id}/commands", {"operation": "read", "path": "/3/0/0"}
    relay.stop()
    seldom = new_process("relay", relay_interval=3600.0)
    try:
        first = made(fleet.app.post(path, json=body))["command_id"]

        def is_published() -> bool:
            # A hint that came before the relay listened is lost; the next one stands for both.
            made(fleet.app.post(path, json=body))
            found = (m for m in bus.read(DEVICE_EVENTS) if isinstance(m, DeviceCommandRequested))
            return first in {m.command_id for m in found}

        eventually(is_published)
    finally:
        seldom.stop()
        relay.start()


async def test_hints_that_kafka_does_not_take_are_lost_and_nobody_waits() -> None:
    hints = KafkaHints(CommonSettings(kafka_bootstrap="127.0.0.1:9", linger=0.0))
    sending = asyncio.create_task(hints.run())
    async with running(sending):
        began = time.monotonic()
        for _ in range(3):
            hints.give()
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 2.0
        assert not sending.done()

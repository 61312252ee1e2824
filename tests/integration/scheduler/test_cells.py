"""The stage `cells` as processes on a real Kafka; who holds a slot is counted at simulated devices."""

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from tests.processes import start_process

from sluice_common.bus import Producer
from sluice_common.messages.base import now, utc
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import SlotGranted, SlotProbed
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import CELL_REQUESTS, DEVICE_EVENTS

LIMIT = 3
SLOWEST = 120.0
"""Seconds until everything must have happened."""


class Process:
    """A process of the stage."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        name = uuid.uuid4().hex
        self._ready = folder / f"{name}.ready"
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = start_process(
                [sys.executable, "-m", "sluice_scheduler.entrypoints.cells"],
                env={**os.environ, **environment, "SLUICE_READY_FILE": str(self._ready)},
                stderr=log,
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + SLOWEST
        while not self._ready.exists():
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        return self.popen.wait(SLOWEST)


class Supervisor:
    """Starts processes and, if asked, starts others for those that ended."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.processes: list[Process] = []
        self._folder = folder
        self._environment = environment

    def start(self, **settings: object) -> Process:
        process = self._start({f"SLUICE_{name.upper()}": str(value) for name, value in settings.items()})
        process.wait_ready()
        return process

    async def replace_ended(self) -> None:
        watched = list(self.processes)
        while True:
            await asyncio.sleep(0.5)
            for ended in [process for process in watched if process.popen.poll() is not None]:
                watched.remove(ended)
                watched.append(self._start({}))

    def end_all(self) -> None:
        for process in self.processes:
            for number in (signal.SIGCONT, signal.SIGTERM):
                process.signal(number)
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(10)
            process.popen.kill()
            process.wait()

    def _start(self, settings: dict[str, str]) -> Process:
        self.processes.append(Process(self._folder, {**self._environment, **settings}))
        return self.processes[-1]


@pytest.fixture
def stage(kafka: str, tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(
        tmp_path,
        {
            "SLUICE_KAFKA_BOOTSTRAP": kafka,
            "SLUICE_WINDOW_LIMIT_LEVEL_0": str(LIMIT),
            "SLUICE_CELL_SHARDS": "4",
        },
    )
    yield supervisor
    supervisor.end_all()


class Device:
    """One execution: asks, holds for a while, returns."""

    def __init__(self, execution_id: str, window: WindowKey) -> None:
        self.execution_id = execution_id
        self.window = window
        self.ask_no = 0
        self.state = "asking"

    @property
    def grant(self) -> Grant:
        return Grant(execution_id=self.execution_id, attempt=1, ask_no=self.ask_no)


class Fleet:
    """Devices that behave as `decide` does, and the tally of who holds a slot, taken at the devices."""

    def __init__(self, kafka: str, hold: Callable[[], float]) -> None:
        self.producer = Producer(CommonSettings(kafka_bootstrap=kafka))
        self.consumer = AIOKafkaConsumer(
            DEVICE_EVENTS.name, bootstrap_servers=kafka, isolation_level="read_committed", fetch_max_wait_ms=50
        )
        self.network = uuid.uuid4().hex
        self.devices: dict[str, Device] = {}
        self.holding: Counter[WindowKey] = Counter()
        self.peaks: defaultdict[WindowKey, int] = defaultdict(int)
        self.order: list[str] = []
        self.probes = 0
        self._hold = hold
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self.producer.start()
        await self.consumer.start()
        await self.consumer.seek_to_end()
        for tp in self.consumer.assignment():
            await self.consumer.position(tp)
        self._spawn(self._listen())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.consumer.stop()
        await self.producer.stop()

    def ended(self, state: str = "ended") -> int:
        return sum(device.state == state for device in self.devices.values())

    async def ask(self, cell_id: int, name: str | None = None) -> Device:
        window = WindowKey(network=self.network, cell_id=cell_id, coverage_class=CoverageClass.LEVEL_0)
        device = Device(name or uuid.uuid4().hex, window)
        self.devices[device.execution_id] = device
        await self.ask_again(device)
        return device

    async def ask_again(self, device: Device) -> None:
        device.ask_no += 1
        await self._send(SlotAsk, device, device.grant, awake_until=utc(time.time() + 1e4))

    async def release(self, device: Device) -> None:
        device.state = "ended"
        self.holding[device.window] -= 1
        await self._send(SlotReturn, device, device.grant)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(SLOWEST):
            while not true():
                await asyncio.sleep(0.02)

    async def _listen(self) -> None:
        while True:
            for records in (await self.consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    assert DEVICE_EVENTS.decoder
                    event = DEVICE_EVENTS.decoder.decode(record.value)
                    device = self.devices.get(event.device_id)
                    if device and isinstance(event, SlotGranted):
                        await self._granted(device, event.grant)
                    elif device and isinstance(event, SlotProbed):
                        self.probes += 1
                        held = device.state == "holding" and event.grant == device.grant
                        await self._send(SlotHold if held else SlotReturn, device, event.grant)

    async def _granted(self, device: Device, grant: Grant) -> None:
        if grant != device.grant or device.state == "ended":
            await self._send(SlotReturn, device, grant)
        elif device.state == "asking":
            device.state = "holding"
            self.order.append(device.execution_id)
            self.holding[device.window] += 1
            self.peaks[device.window] = max(self.peaks[device.window], self.holding[device.window])
            self._spawn(self._use(device))

    async def _use(self, device: Device) -> None:
        await asyncio.sleep(self._hold())
        await self.release(device)

    async def _send(self, make: Callable[..., Any], device: Device, grant: Grant, **fields: Any) -> None:
        request = make(
            app_id="app",
            occurred_at=now(),
            device_id=device.execution_id,
            window=device.window,
            grant=grant,
            **fields,
        )
        await self.producer.send(CELL_REQUESTS, device.window.cell_key, request)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)


@pytest.fixture
async def fleet(kafka: str) -> AsyncIterator[Fleet]:
    chance = random.Random(7)
    async with started(Fleet(kafka, lambda: chance.uniform(0.05, 0.3))) as made:
        yield made


@pytest.fixture
async def patient(kafka: str) -> AsyncIterator[Fleet]:
    """Devices that give nothing back by themselves."""
    async with started(Fleet(kafka, lambda: 1e6)) as made:
        yield made


@pytest.mark.requirement("R067", "R072", "R073", "R087")
async def test_devices_of_a_cell_get_slots_up_to_the_limit_and_the_next_one_when_one_ends(
    stage: Supervisor, patient: Fleet
) -> None:
    stage.start()
    devices = [await patient.ask(1, f"{patient.network}-{n}") for n in range(LIMIT + 2)]
    await patient.until(lambda: len(patient.order) == LIMIT)
    await patient.release(devices[1])
    await patient.until(lambda: len(patient.order) == LIMIT + 1)
    assert patient.order[LIMIT] == devices[LIMIT].execution_id
    assert patient.peaks == {devices[0].window: LIMIT}


@pytest.mark.requirement("R087")
async def test_a_silent_holder_is_probed_and_keeps_its_slot_if_it_still_needs_it(
    stage: Supervisor, patient: Fleet
) -> None:
    stage.start(window_limit_level_0=1, probe_interval=1, probe_check=0.1)
    holder, waiter = [await patient.ask(1), await patient.ask(1)]
    await patient.until(lambda: patient.probes >= 2)
    assert (holder.state, waiter.state) == ("holding", "asking")
    holder.state = "ended"
    await patient.until(lambda: waiter.state == "holding")


async def test_sigterm_ends_the_process_cleanly_and_the_next_one_goes_on(stage: Supervisor, patient: Fleet) -> None:
    first = stage.start()
    devices = [await patient.ask(1) for _ in range(LIMIT + 1)]
    await patient.until(lambda: len(patient.order) == LIMIT)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    await patient.release(devices[0])
    stage.start()
    await patient.until(lambda: len(patient.order) == LIMIT + 1)
    assert patient.holding == {devices[0].window: LIMIT}


@pytest.mark.requirement("R072", "R087")
async def test_a_rolling_restart_of_two_processes_loses_no_device_and_breaks_no_limit(
    stage: Supervisor, fleet: Fleet
) -> None:
    running = [stage.start(), stage.start()]
    load = asyncio.create_task(_keep_asking(fleet, 400, seconds=20))
    for process in running:
        before = fleet.ended()
        await fleet.until(lambda: fleet.ended() > before + 30)  # noqa: B023 - awaited within the round
        process.signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == 0
        stage.start()
    await load
    await fleet.until(lambda: fleet.ended() == 400)
    assert max(fleet.peaks.values()) <= LIMIT


@pytest.mark.requirement("R072", "R087")
async def test_sigkill_in_the_middle_loses_no_device_and_breaks_no_limit(stage: Supervisor, fleet: Fleet) -> None:
    process = stage.start()
    for number in range(400):
        await fleet.ask(number % 8)
    await fleet.until(lambda: fleet.ended() > 100)
    process.signal(signal.SIGKILL)
    process.wait()
    stage.start()
    await fleet.until(lambda: fleet.ended() == 400)
    assert set(fleet.peaks.values()) == {LIMIT}


@pytest.mark.requirement("R072", "R087")
async def test_a_process_stopped_for_longer_than_its_session_is_fenced(stage: Supervisor, fleet: Fleet) -> None:
    stopped, _ = stage.start(), stage.start()
    supervision = asyncio.create_task(stage.replace_ended())
    load = asyncio.create_task(_keep_asking(fleet, 800, seconds=25))
    await fleet.until(lambda: fleet.ended() > 50)
    stopped.signal(signal.SIGSTOP)
    before = fleet.ended()
    await asyncio.sleep(14)
    assert fleet.ended() > before, "the other process goes on"
    stopped.signal(signal.SIGCONT)
    await load
    await fleet.until(lambda: fleet.ended() == 800)
    supervision.cancel()
    assert max(fleet.peaks.values()) == LIMIT
    assert stopped.wait() == 1
    assert re.search("ProducerFenced|IllegalOperation", stopped.log.read_text())  # as it learns it


def test_processes_that_disagree_on_the_shards_cannot_work_side_by_side(stage: Supervisor) -> None:
    stage.start()
    with pytest.raises(AssertionError, match="InconsistentGroupProtocol"):
        stage.start(cell_shards=3)


async def _keep_asking(fleet: Fleet, count: int, seconds: float) -> None:
    for number in range(count):
        await fleet.ask(number % 12)
        await asyncio.sleep(seconds / count)

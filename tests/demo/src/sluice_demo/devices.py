"""The simulated fleet, in a process of its own: its processor time is counted apart and it delays nobody.

The demo asks, the process answers, one question at a time over a pipe. When the pipe closes, the process ends.
"""

import asyncio
import multiprocessing
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

import psutil
import uvloop

from sluice_demo.progress import WindowLoad
from sluice_demo.scenario import MqttScenario, Scenario
from sluice_simulator import measure
from sluice_simulator.coverage import LIMITS, Window
from sluice_simulator.fleet import Role
from sluice_simulator.mqtt import measure as mqtt_measure
from sluice_simulator.mqtt.fleet import Identity
from sluice_simulator.mqtt.run import MqttFleet
from sluice_simulator.run import Fleet
from sluice_simulator.timeline import Timeline, What

_ANSWER_DEADLINE = 60.0
_END_DEADLINE = 10.0
_LOOK, _TIMELINES, _MQTT_TIMELINES = "look", "timelines", "mqtt timelines"


class DevicesError(Exception):
    """The process of the devices ended or does not answer."""


class Look(NamedTuple):
    """The fleet at one moment.

    Attributes:
        registered: LwM2M devices with a registration.
        windows: Every window that a device reported so far.
        mqtt_online: MQTT devices that are logged in.
    """

    registered: int
    windows: list[WindowLoad]
    mqtt_online: int = 0


@dataclass(frozen=True)
class MqttSimulation:
    """Which MQTT devices to simulate.

    Attributes:
        scenario: Which devices.
        broker: Where they log in, `mqtt://HOST:PORT`.
        identities: What the platform gave them, by node id.
        image_sha256: Hex digest of the only image that they accept.
    """

    scenario: MqttScenario
    broker: str
    identities: Mapping[str, Identity]
    image_sha256: str


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Attributes:
        scenario: Which devices.
        servers: Where they register, spread evenly, `coap://HOST:PORT`.
        image_sha256: Hex digest of the only image that they accept.
        mqtt: MQTT devices beside them; None for none.
    """

    scenario: Scenario
    servers: Sequence[str]
    image_sha256: str
    mqtt: MqttSimulation | None = None


class DeviceProcess:
    """Devices that live from entering the context to leaving it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._exchange_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs, self._simulation), daemon=True)
        await asyncio.to_thread(self._process.start)
        theirs.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._connection.close()
        await asyncio.to_thread(self._process.join, _END_DEADLINE)
        if self._process.is_alive():
            self._process.kill()

    async def look(self) -> Look:
        """Return how the fleet is now."""
        look: Look = await self._ask(_LOOK)
        return look

    async def timelines(self) -> list[Timeline]:
        """Return all that happened at the devices."""
        timelines: list[Timeline] = await self._ask(_TIMELINES)
        return timelines

    async def mqtt_timelines(self) -> list[Timeline]:
        """Return all that happened at the MQTT devices."""
        timelines: list[Timeline] = await self._ask(_MQTT_TIMELINES)
        return timelines

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None  # noqa: S101 - it was started
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Return the user and system time of the process so far."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.is_alive()

    async def _ask(self, question: str) -> Any:
        async with self._exchange_lock:
            return await asyncio.to_thread(self._exchange, question)

    def _exchange(self, question: str) -> Any:
        try:
            self._connection.send(question)
            if self._connection.poll(_ANSWER_DEADLINE):
                return self._connection.recv()
        except (EOFError, OSError) as error:
            raise DevicesError("the process of the devices has ended") from error
        raise DevicesError(f"the devices do not answer within {_ANSWER_DEADLINE:.0f} s")


def window_loads(timelines: Iterable[Timeline], now: float) -> list[WindowLoad]:
    """Return how full each window is.

    Args:
        timelines: Of the fleet.
        now: Monotonic seconds.
    """
    counts: dict[Window, list[int]] = {}
    for timeline in timelines:
        windows = [event.window for event in timeline.events if event.window is not None]
        if not windows:
            continue
        count = counts.setdefault(windows[-1], [0, 0])
        holding = measure.holds(timeline, now)[-1:]
        if holding and holding[0].end == now:
            count[0] += 1
        elif timeline.waiting and timeline.awake_until > now:
            count[1] += 1
    return [
        WindowLoad(cell=cell, coverage_class=name, limit=LIMITS[name], held=held, waiting=waiting)
        for (cell, name), (held, waiting) in sorted(counts.items())
    ]


def task_load(timelines: Iterable[Timeline], limit: int, now: float) -> WindowLoad:
    """Return how full the window of a task of MQTT devices is.

    Args:
        timelines: Of the task's devices.
        limit: Devices that may download at once.
        now: Monotonic seconds.
    """
    held = waiting = 0
    for timeline in timelines:
        downloads = mqtt_measure.downloads(timeline, now)[-1:]
        held += bool(downloads) and downloads[0].end == now
        waiting += bool(timeline.events) and timeline.events[-1].what is What.VERSION_REPORTED
    return WindowLoad(cell=None, coverage_class="task", limit=limit, held=held, waiting=waiting)


def _live(connection: Connection, simulation: Simulation) -> None:
    """Run the fleet until the pipe closes; Ctrl-C is the demo's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_serve(connection, simulation))


async def _serve(connection: Connection, simulation: Simulation) -> None:
    fleet = Fleet(
        simulation.scenario.plan(),
        *simulation.servers,
        check=lambda image: image.sha256 == simulation.image_sha256,
        starts_per_second=simulation.scenario.starts_per_second,
    )
    mqtt = _mqtt_fleet(simulation)
    starting = [asyncio.create_task(one.start()) for one in (fleet, mqtt) if one is not None]
    while (question := await asyncio.to_thread(_received, connection)) is not None:
        if question == _LOOK:
            answer: Any = _look(fleet, mqtt, simulation)
        elif question == _MQTT_TIMELINES:
            answer = mqtt.timelines() if mqtt else []
        else:
            answer = fleet.timelines()
        await asyncio.to_thread(connection.send, answer)
    for one in starting:
        one.cancel()
    await asyncio.gather(*starting, return_exceptions=True)
    await fleet.stop()
    if mqtt is not None:
        await mqtt.stop()


def _mqtt_fleet(simulation: Simulation) -> MqttFleet | None:
    mqtt = simulation.mqtt
    if mqtt is None:
        return None
    return MqttFleet(
        mqtt.scenario.plan(),
        mqtt.broker,
        mqtt.identities,
        image_sha256=mqtt.image_sha256,
        starts_per_second=simulation.scenario.starts_per_second,
    )


def _look(fleet: Fleet, mqtt: MqttFleet | None, simulation: Simulation) -> Look:
    now = time.monotonic()
    windows = window_loads(fleet.timelines(), now)
    if mqtt is None or simulation.mqtt is None:
        return Look(fleet.counts().registered, windows)
    load = task_load(_of_main_task(mqtt), simulation.mqtt.scenario.limit, now)
    return Look(fleet.counts().registered, [*windows, load], mqtt.counts().online)


def _of_main_task(fleet: MqttFleet) -> Sequence[Timeline]:
    main = {spec.endpoint for spec in fleet.plan.devices if spec.role is Role.MAIN}
    return [timeline for timeline in fleet.timelines() if timeline.endpoint in main]


def _received(connection: Connection) -> str | None:
    try:
        return str(connection.recv())
    except (EOFError, OSError):
        return None

"""MQTT devices in a process of their own, for benchmarks: asked over a pipe, one question at a time."""

import asyncio
import multiprocessing
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

import psutil
import uvloop

from sluice_demo.devices import DevicesError
from sluice_simulator.mqtt.fleet import Identity
from sluice_simulator.mqtt.plan import MqttOptions, make_plan
from sluice_simulator.mqtt.run import MqttFleet

_ANSWER_DEADLINE: Final = 300.0
_END_DEADLINE: Final = 10.0
_TICK: Final = 0.01
_STARTS_PER_SECOND: Final = 250.0
PREFIX: Final = "bench"
SEED: Final = 1


def endpoints(devices: int) -> list[str]:
    """Return the node ids of so many devices."""
    return [spec.endpoint for spec in make_plan(_options(devices)).devices]


class MqttDevices:
    """Devices that live from entering the context to leaving it; all are sound.

    Args:
        broker: Where they log in.
        identities: What the platform gave them, by node id.
    """

    def __init__(self, broker: str, identities: Mapping[str, Identity]) -> None:
        self._arguments = broker, dict(identities)

    async def __aenter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs, *self._arguments), daemon=True)
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

    async def online(self) -> int:
        """Return how many are logged in."""
        return int(await self._ask(("online",)))

    async def report(self, per_second: float, seconds: float) -> tuple[int, float]:
        """Have them report their versions in turn; return how many reports went out, and in how many seconds."""
        sent, took = await self._ask(("report", per_second, seconds))
        return int(sent), float(took)

    def cpu_seconds(self) -> float:
        """Return the user and system time of the process so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    async def _ask(self, question: tuple[Any, ...]) -> Any:
        return await asyncio.to_thread(self._exchange, question)

    def _exchange(self, question: tuple[Any, ...]) -> Any:
        try:
            self._connection.send(question)
            if self._connection.poll(_ANSWER_DEADLINE):
                return self._connection.recv()
        except (EOFError, OSError) as error:
            raise DevicesError("the process of the devices has ended") from error
        raise DevicesError(f"the devices do not answer within {_ANSWER_DEADLINE:.0f} s")


def _options(devices: int) -> MqttOptions:
    return MqttOptions(devices=devices, seed=SEED, endpoint_prefix=PREFIX, failing=0.0, uniform=True, keep_alive=120)


def _live(connection: Connection, broker: str, identities: dict[str, Identity]) -> None:
    uvloop.run(_serve(connection, broker, identities))


async def _serve(connection: Connection, broker: str, identities: dict[str, Identity]) -> None:
    plan = make_plan(_options(len(identities)))
    fleet = MqttFleet(plan, broker, identities, starts_per_second=_STARTS_PER_SECOND)
    starting = asyncio.create_task(fleet.start())
    while (question := await asyncio.to_thread(_received, connection)) is not None:
        answer: Any = fleet.counts().online if question[0] == "online" else await _report(fleet, *question[1:])
        await asyncio.to_thread(connection.send, answer)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await fleet.stop()


async def _report(fleet: MqttFleet, per_second: float, seconds: float) -> tuple[int, float]:
    """Report at an even rate; what the machine cannot do in time comes late, so that the rate falls."""
    begin, index, sent = time.monotonic(), 0, 0
    devices = fleet.devices
    while index < per_second * seconds:
        due = min(int((time.monotonic() - begin) * per_second) + 1, int(per_second * seconds))
        while index < due:
            sent += devices[index % len(devices)].report_version()
            index += 1
        await asyncio.sleep(_TICK)
    return sent, time.monotonic() - begin


def _received(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None

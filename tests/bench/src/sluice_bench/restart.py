"""`bench restart`: how soon each service ends, and answers again with the state of 100,000 devices or an empty volume.

A whole system with a fleet in mid-campaign (`restart_state`); one service after the other is ended in good order and
started again while all others run. Measured from SIGTERM to the end of its process, and from the start of the next one
to its first answers: a CoAP request, an HTTP request, a hook, an event that was waiting. Only the stage `devices` has a
volume; it is also started without it.
"""

import argparse
import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from sluice_bench import restart_edges as edges
from sluice_bench import restart_events as events
from sluice_bench.restart_state import STANDING_STILL, State, fill
from sluice_bench.restart_system import Answers, System
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

TARGET_S: Final = {100_000: 10.0, 1_000_000: 60.0}
"""Most seconds to the first answers, by the devices up to which it holds."""
SERVICES: Final[dict[str, Callable[[System, State], AbstractAsyncContextManager[Answers]]]] = {
    "api": edges.api,
    "relay": events.relay,
    "signing": events.signing,
    "projector": events.projector,
    "notifier": events.notifier,
    "scheduler-cells": events.scheduler_cells,
    "scheduler-devices": events.scheduler_devices,
    "lwm2m-gateway": edges.lwm2m_gateway,
    "mqtt-gateway": edges.mqtt_gateway,
}
"""What each service is asked for, in the order in which they are measured."""
_WITH_VOLUME: Final = "scheduler-devices"
_GATEWAYS: Final = frozenset({"lwm2m-gateway", "mqtt-gateway"})
_SLOWEST: Final = 1_800.0
_ENV: Final = {"SLUICE_SLOT_REASK": "86400", "SLUICE_PROBE_INTERVAL": "86400"}
"""Nobody asks for a slot again meanwhile, and no holder is asked for its own: of 100,000 devices that would be so many
a second that it is never quiet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--devices", type=int, default=100_000, help="LwM2M devices, and as many MQTT devices")
    parser.add_argument(
        "--decided",
        type=int,
        default=100_000,
        help="devices at most that the stages decide on, which takes long; more are copies of their records",
    )
    parser.add_argument("--backlog", type=int, default=1_000, help="commands that the LwM2M gateway has not answered")
    parser.add_argument(
        "--services",
        nargs="+",
        choices=SERVICES,
        help="those to measure; by default all, but no gateway with more than 100,000 devices",
    )
    parser.add_argument("--port-base", type=int, default=19_700, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure, print a table and return the figures.

    Args:
        options: Of the command line.
        console: Gets progress and table.
    """
    settings = EmbeddedSettings(
        state_dir=HOME / "bench" / "restart", port_base=options.port_base, start_deadline=_SLOWEST
    )
    reset(settings)
    with Stack(settings, env=_ENV, progress=lambda text: console.print(text, style="dim")) as stack:
        restarts = asyncio.run(_measure(System(stack, settings), options, console))
    found = figures(options.devices, restarts)
    console.print(_table(restarts, found["target_s"]))
    return found


def measured_services(devices: int, asked: Collection[str] | None) -> list[str]:
    """Return the services that are measured, in their order."""
    with_gateways = devices <= min(TARGET_S)
    return [name for name in SERVICES if (name in asked if asked else with_gateways or name not in _GATEWAYS)]


def figures(devices: int, restarts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what was measured, and whether each service that has its volume answers in time."""
    target = next((seconds for limit, seconds in sorted(TARGET_S.items()) if devices <= limit), max(TARGET_S.values()))
    met = all(
        answer <= target
        for name, restart in restarts.items()
        if not restart["is_empty"]
        for answer in restart["answers_s"].values()
    )
    return {"devices": devices, "restarts": restarts, "target_s": target, "met": met}


async def _measure(system: System, options: argparse.Namespace, console: Console) -> dict[str, dict[str, Any]]:
    services = measured_services(options.devices, options.services)
    state = await fill(
        system,
        options.devices,
        console,
        decided=0 if _GATEWAYS.issuperset(services) else min(options.decided, options.devices),
        backlog=options.backlog,
        with_gateways=not _GATEWAYS.isdisjoint(services),
    )
    restarts = {}
    for service in STANDING_STILL:
        if service not in services and service not in _GATEWAYS:
            await asyncio.to_thread(system.stack.start_service, service)
    for service in services:
        console.print(f"{service} is started again.", style="dim")
        restarts[service] = await _restart(system, state, service, is_empty=False)
    if _WITH_VOLUME in services:
        console.print(f"{_WITH_VOLUME} is started from an empty volume.", style="dim")
        restarts[f"{_WITH_VOLUME}, empty volume"] = await _restart(system, state, _WITH_VOLUME, is_empty=True)
    return restarts


async def _restart(system: System, state: State, service: str, *, is_empty: bool) -> dict[str, Any]:
    """End a service, start it again and return how long its answers took."""
    stack, signalled = system.stack, time.monotonic()
    await asyncio.to_thread(stack.stop_service, service)
    ended = time.monotonic() - signalled
    if is_empty:
        shutil.rmtree(system.settings.data / service)
    async with SERVICES[service](system, state) as answers:
        before, began = stack.cpu_seconds()[service], time.monotonic()

        async def until(done: Awaitable[None]) -> float:
            await done
            return round(time.monotonic() - began, 2)

        async with asyncio.timeout(_SLOWEST), asyncio.TaskGroup() as tasks:
            ready = tasks.create_task(until(asyncio.to_thread(stack.start_service, service)))
            waits = {name: tasks.create_task(until(wait())) for name, wait in answers.items()}
        return {
            "ended_s": round(ended, 2),
            "ready_s": ready.result(),
            "answers_s": {name: task.result() for name, task in waits.items()},
            "cpu_s": round(stack.cpu_seconds()[service] - before, 2),
            "memory_mb": round(psutil.Process(stack.pid(service)).memory_info().rss / 1e6),
            "is_empty": is_empty,
        }


def _table(restarts: dict[str, dict[str, Any]], target: float) -> Table:
    table = Table("service", "ended", "first answer", "seconds", "ready", "CPU", "MB", box=None, header_style="bold")
    for name, restart in restarts.items():
        for answer, seconds in restart["answers_s"].items():
            style = "" if seconds <= target or restart["is_empty"] else "red"
            figures_of = (answer, seconds, restart["ready_s"], restart["cpu_s"], restart["memory_mb"])
            table.add_row(name, str(restart["ended_s"]), *(str(figure) for figure in figures_of), style=style)
    return table

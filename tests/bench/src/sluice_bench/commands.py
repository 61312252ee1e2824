"""`bench commands`: how soon a device command leaves for a device that is awake, and how soon its end is seen.

A real system that is quiet but for one app server and one device: one Read after the other, over HTTP and CoAP. The
first span is from the call of the API to the request at the device, the second from the device's answer to the first
answer of the API that says SUCCEEDED, looked for every 10 ms.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from sluice_bench.awake_device import AwakeDevice
from sluice_demo.appserver import AppServer, Fleet
from sluice_demo.client import PlatformClient, PlatformError
from sluice_demo.report import percentile
from sluice_embedded.domain.services import KAFKA, MONGODB
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

TARGET_LEAVES_MS: Final = 100.0
"""Most milliseconds (p99) from the call to the request."""
TARGET_SEEN_MS: Final = 500.0
"""Most milliseconds (p99) from the device's answer to the end in the API."""
_SERVICES: Final = (KAFKA, MONGODB, "api", "relay", "projector", "scheduler-devices", "lwm2m-gateway")
_ENDPOINT: Final = "bench-commands"
_PATH: Final = "/3/0/0"
_DEADLINE: Final = 20.0
_LOOK: Final = 0.01
_WARM_UP: Final = 3


@dataclass
class Spans:
    """What was measured, milliseconds."""

    leaves: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--commands", type=int, default=100, help="commands, one after the other")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between the end of one and the next")
    parser.add_argument("--port-base", type=int, default=19_600, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure, print a table and return the figures.

    Args:
        options: Of the command line.
        console: Gets progress and table.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "commands", port_base=options.port_base)
    reset(settings)
    with Stack(settings, services=_SERVICES, progress=lambda text: console.print(text, style="dim")) as stack:
        spans = asyncio.run(_measure(stack, options))
    console.print(_table(spans))
    return figures(spans)


def figures(spans: Spans) -> dict[str, Any]:
    """Return the figures, and whether both targets are met."""
    leaves, seen = sorted(spans.leaves), sorted(spans.seen)
    return {
        "commands": len(leaves),
        "leaves_ms_p50": round(percentile(leaves, 0.5), 1),
        "leaves_ms_p99": round(percentile(leaves, 0.99), 1),
        "seen_ms_p50": round(percentile(seen, 0.5), 1),
        "seen_ms_p99": round(percentile(seen, 0.99), 1),
        "target_leaves_ms": TARGET_LEAVES_MS,
        "target_seen_ms": TARGET_SEEN_MS,
        "met": percentile(leaves, 0.99) <= TARGET_LEAVES_MS and percentile(seen, 0.99) <= TARGET_SEEN_MS,
    }


def _table(spans: Spans) -> Table:
    table = Table("milliseconds", "p50", "p99", "longest", "target", box=None, header_style="bold")
    rows = (
        ("call to request", spans.leaves, TARGET_LEAVES_MS),
        ("answer to SUCCEEDED", spans.seen, TARGET_SEEN_MS),
    )
    for name, span, target in rows:
        ordered = sorted(span)
        measured = (percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1])
        table.add_row(name, *(f"{value:.0f}" for value in measured), f"{target:.0f}")
    return table


async def _measure(stack: Stack, options: argparse.Namespace) -> Spans:
    async with AppServer.register(stack.endpoints.api, stack.endpoints.admin_password) as server:
        await server.add_products()
        await server.add_fleet(Fleet([_ENDPOINT], [], frozenset()))
        (found,) = (await server.client.get("/devices", endpoint=_ENDPOINT))["items"]
        device = await AwakeDevice.register(stack.endpoints.coap[0], _ENDPOINT)
        try:
            return await _ask(server.client, device, f"/devices/{found['device_id']}/commands", options)
        finally:
            device.close()


async def _ask(client: PlatformClient, device: AwakeDevice, path: str, options: argparse.Namespace) -> Spans:
    spans = Spans()
    for number in range(_WARM_UP + options.commands):
        leaves, seen = await _one(client, device, path)
        if number >= _WARM_UP:
            spans.leaves.append(leaves * 1000)
            spans.seen.append(seen * 1000)
        await asyncio.sleep(options.pause)
    return spans


async def _one(client: PlatformClient, device: AwakeDevice, path: str) -> tuple[float, float]:
    """Return how long a command took to the device, and its end from there to the API, seconds.

    Raises:
        PlatformError: It did not succeed in time.
    """
    called = time.monotonic()
    command = await client.create(path, {"operation": "read", "path": _PATH})
    async with asyncio.timeout(_DEADLINE):
        _, asked = await device.asked_at.get()
    while command["status"] in ("PENDING", "SENT"):
        if time.monotonic() > asked + _DEADLINE:
            raise PlatformError(f"a command is still {command['status']}")
        await asyncio.sleep(_LOOK)
        command = await client.get(f"{path}/{command['command_id']}")
    if command["status"] != "SUCCEEDED":
        raise PlatformError(f"a command is {command['status']}: {command}")
    return asked - called, time.monotonic() - asked

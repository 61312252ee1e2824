"""`bench registrations`: what a registration and an Update cost the LwM2M gateway, and the memory of a device.

Every device registers, registers anew ten times and updates as often, from an address of its own. Each registration is
in Kafka before it is answered. Memory is the process's, divided by the devices; what is remembered of the messages of
the last minutes (duplicates) is in it.
"""

import argparse
import asyncio
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import psutil
from rich.console import Console

from sluice_bench.registering_clients import Client, send_all
from sluice_common.ids import new_id
from sluice_common.mongo import connect
from sluice_common.settings import CommonSettings
from sluice_embedded.domain.services import KAFKA, MONGODB
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

_GATEWAY: Final = "lwm2m-gateway"
_ROUNDS: Final = 10
TARGET_REGISTRATION_MS: Final = 0.2
TARGET_UPDATE_MS: Final = 0.05
TARGET_DEVICE_KB: Final = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--devices", type=int, default=5_000, help="that register")
    parser.add_argument("--port-base", type=int, default=19_600, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run it and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "registrations", port_base=options.port_base)
    reset(settings)
    with Stack(
        settings, services=(KAFKA, MONGODB, _GATEWAY), progress=lambda text: console.print(text, style="dim")
    ) as stack:
        clients = [Client(number, f"bench-{number}") for number in range(options.devices)]
        asyncio.run(_create(stack, clients))
        return figures(_Run(stack, clients, console))


class Measured(Protocol):
    """A gateway with its devices."""

    def memory_kb(self) -> float:
        """Return the gateway's resident memory per device."""

    def cpu_ms(self, rounds: int, *, updates: bool) -> float:
        """Return the gateway's processor time per message, in milliseconds."""


class _Run:
    """The gateway and its devices."""

    def __init__(self, stack: Stack, clients: list[Client], console: Console) -> None:
        self._stack = stack
        self._clients = clients
        self._console = console
        self._mid = 0
        address = urlsplit(stack.endpoints.coap[0])
        self._server = address.hostname or "", address.port or 0

    def memory_kb(self) -> float:
        """Return the gateway's resident memory per device."""
        pid = next(s.pid for s in self._stack.services() if s.name == _GATEWAY)
        return float(psutil.Process(pid).memory_info().rss) / 1_000 / len(self._clients)

    def cpu_ms(self, rounds: int, *, updates: bool) -> float:
        """Return the gateway's processor time per message, in milliseconds."""
        self._console.print(
            f"{rounds} x {len(self._clients)} {'Updates' if updates else 'registrations'}.", style="dim"
        )
        before = self._stack.cpu_seconds()[_GATEWAY]
        for _ in range(rounds):
            self._mid += 1
            self._clients = send_all(self._server, self._clients, self._mid, updates=updates)
        return (self._stack.cpu_seconds()[_GATEWAY] - before) * 1_000 / rounds / len(self._clients)


def figures(run: Measured) -> dict[str, Any]:
    """Measure and judge."""
    empty = run.memory_kb()
    first = run.cpu_ms(1, updates=False)
    once = run.memory_kb()
    registration = run.cpu_ms(_ROUNDS, updates=False)
    often = run.memory_kb()
    update = run.cpu_ms(_ROUNDS, updates=True)
    device = often - empty
    return {
        "cpu_ms": {
            "first_registration": round(first, 3),
            "registration": round(registration, 3),
            "update": round(update, 3),
        },
        "memory_kb_per_device": {
            "registered_once": round(once - empty, 2),
            "registered_anew_ten_times": round(device, 2),
            "and_updated_ten_times": round(run.memory_kb() - empty, 2),
        },
        "met": registration <= TARGET_REGISTRATION_MS and update <= TARGET_UPDATE_MS and device <= TARGET_DEVICE_KB,
    }


async def _create(stack: Stack, clients: list[Client]) -> None:
    """Create the devices as far as the gateway looks at them."""
    common = CommonSettings(
        kafka_bootstrap=stack.endpoints.kafka_bootstrap,
        mongodb_uri=stack.endpoints.mongodb_uri,
        mongodb_database=stack.endpoints.mongodb_database,
    )
    async with connect(common) as database:
        for start in range(0, len(clients), 1_000):
            some = clients[start : start + 1_000]
            await database["devices"].insert_many(
                [{"_id": new_id(), "app_id": "bench", "endpoint": client.endpoint} for client in some]
            )
        await database["devices"].create_index("endpoint")

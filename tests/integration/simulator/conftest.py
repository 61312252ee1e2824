"""A trial server on a free port and fleets of hand-made devices that register with it."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from sluice_simulator.fleet import FleetPlan, Tuning
from sluice_simulator.plan import PlanOptions, make_plan
from sluice_simulator.run import Fleet
from sluice_simulator.trial_server import TrialServer

_PORTS = range(22_020, 22_100)
_IMAGE_BYTES = 8_000

QUICK = Tuning(ack_timeout=0.2, max_retransmit=4, response_timeout=2.0, register_retry=0.1)

StartFleet = Callable[..., Awaitable[Fleet]]


def free_port() -> int:
    """A UDP port below those that the system gives to devices."""
    for port in _PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port in {_PORTS}")


@pytest.fixture
async def server() -> AsyncIterator[TrialServer]:
    """A server that registers devices and does what a test tells it to."""
    trial = TrialServer(os.urandom(_IMAGE_BYTES))
    await trial.start(free_port())
    yield trial
    await trial.stop()


@pytest.fixture
async def start_fleet(server: TrialServer) -> AsyncIterator[StartFleet]:
    """Start devices: the traits of a plain one with changes, one set of changes per device."""
    fleets: list[Fleet] = []

    async def start(*changes: dict[str, Any], tuning: Tuning = QUICK) -> Fleet:
        options = PlanOptions(
            devices=len(changes),
            cells=1,
            failing=0.0,
            uniform=True,
            report_seconds=0.5,
            update_seconds=0.05,
            reboot_seconds=0.05,
        )
        plan = make_plan(options)
        devices = tuple(replace(spec, **change) for spec, change in zip(plan.devices, changes, strict=True))
        digest = server.digest
        fleet = Fleet(
            FleetPlan(plan.seed, devices, tuning),
            f"coap://127.0.0.1:{server.port}",
            check=lambda image: image.sha256 == digest,
        )
        fleets.append(fleet)
        await fleet.start()
        return fleet

    yield start
    for fleet in fleets:
        await fleet.stop()


@pytest.fixture
async def other_server(server: TrialServer) -> AsyncIterator[TrialServer]:
    """A second server with an image of its own."""
    del server  # it has taken its port before
    trial = TrialServer(os.urandom(_IMAGE_BYTES))
    await trial.start(free_port())
    yield trial
    await trial.stop()

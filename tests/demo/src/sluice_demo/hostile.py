"""Neighbours that do what they can: a tenant beside the campaign's, which must not be felt by anybody else.

One LwM2M device answers with fuzz while it is asked to upgrade, one MQTT device publishes 500 times a second, and the
results of some hundred devices go to two names that no resolver knows and to a receiver that never ends its answer.
"""

import asyncio
import multiprocessing
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop
from aiohttp import web

from sluice_demo.appserver import AppServer, Fleet, MqttFleet
from sluice_demo.firmware import make_package
from sluice_embedded.adapters.state import Endpoints
from sluice_simulator.hostile import SOCKETS, HostileDevice
from sluice_simulator.mqtt import run as mqtt_run
from sluice_simulator.mqtt.fleet import Identity
from sluice_simulator.mqtt.plan import MqttOptions, make_plan

_SLOW_PORT: Final = 91
"""Offset of the slow receiver's port."""
_DEAD_URLS: Final = ("http://dead-one.sluice.test/results", "http://dead-two.sluice.test/results")
_FUZZING: Final = "hostile-fuzzing"
_RESULTS: Final = 300
"""Devices whose upgrade fails at once, as their product model supports none: each result goes to all receivers."""
_PER_SECOND: Final = 500.0
_TICK: Final = 0.01
_SPEAKS_EVERY: Final = 0.02
_SECRET: Final = "secret-of-a-hostile-tenant-000000"  # noqa: S105 - of a tenant that lives for one demo
_SEED: Final = 7
_END_DEADLINE: Final = 10.0

Neighbours = Callable[[Endpoints, Path, int], AbstractAsyncContextManager[None]]
"""Whoever lives on the platform beside the campaign: made from its endpoints, a folder and its lowest port."""


def neighbours(policy: Mapping[str, Any]) -> Neighbours:
    """Return the hostile tenant, whose task has the given policy."""

    @asynccontextmanager
    async def live(endpoints: Endpoints, folder: Path, port_base: int) -> AsyncIterator[None]:
        async with (
            _slow_receiver(port_base + _SLOW_PORT) as slow_url,
            AppServer.register(endpoints.api, endpoints.admin_password) as server,
        ):
            flooding = await _prepare(server, folder, slow_url)
            async with _devices(endpoints, flooding):
                await server.create_task("main", policy)
                yield

    return live


async def _prepare(server: AppServer, folder: Path, slow_url: str) -> dict[str, Identity]:
    """Create all that the tenant has, and return the identity of the MQTT device."""
    await server.add_products()
    await server.add_mqtt_product()
    own = folder / "hostile-package"
    await asyncio.to_thread(own.mkdir, exist_ok=True)
    package = await asyncio.to_thread(make_package, own, "2.0.0", 4096, _SEED)
    await server.add_package(package, "2.0.0", ["*"])
    failing = [f"hostile-{number}" for number in range(_RESULTS)]
    await server.add_fleet(Fleet(main=[_FUZZING, *failing], to_stop=[], incapable=frozenset(failing)))
    for url in (*_DEAD_URLS, slow_url):
        await server.subscribe(url, _SECRET)
    plan = make_plan(_flooding_options())
    return await server.add_mqtt_fleet(MqttFleet([spec.endpoint for spec in plan.devices], []))


def _flooding_options() -> MqttOptions:
    return MqttOptions(devices=1, seed=_SEED, endpoint_prefix="hostile-flooding", failing=0.0, uniform=True)


@asynccontextmanager
async def _slow_receiver(port: int) -> AsyncIterator[str]:
    """Receive callbacks and answer each with a byte a second, without end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionResetError):  # whoever called has had enough
            while True:
                await response.write(b".")
                await asyncio.sleep(1.0)
        return response

    app = web.Application()
    app.router.add_post("/results", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/results"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _devices(endpoints: Endpoints, flooding: Mapping[str, Identity]) -> AsyncIterator[None]:
    """Let the two devices live in a process of their own until the block ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (theirs, endpoints.coap[0], endpoints.mqtt, dict(flooding))
    process = context.Process(target=_live, args=arguments, daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        yield
    finally:
        ours.close()
        await asyncio.to_thread(process.join, _END_DEADLINE)
        if process.is_alive():
            process.kill()


def _live(connection: Connection, gateway: str, broker: str, flooding: dict[str, Identity]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_until_closed(connection, gateway, broker, flooding))


async def _until_closed(connection: Connection, gateway: str, broker: str, flooding: dict[str, Identity]) -> None:
    fleet = mqtt_run.MqttFleet(make_plan(_flooding_options()), broker, flooding)
    working = [asyncio.create_task(work) for work in (fleet.start(), _flood(fleet), _fuzz(gateway))]
    await asyncio.to_thread(_wait_closed, connection)
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await fleet.stop()


class _Ear(asyncio.DatagramProtocol):
    """Hands what comes to a device."""

    def __init__(self, device: HostileDevice) -> None:
        self._device = device

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Hand it over."""
        self._device.receive(data)


async def _fuzz(gateway: str) -> None:
    """Let a hostile device speak, fifty datagrams a second."""
    address, device = urlsplit(gateway), HostileDevice(_FUZZING, _SEED)
    remote = address.hostname or "", address.port or 5683
    loop = asyncio.get_running_loop()
    opened = [await loop.create_datagram_endpoint(lambda: _Ear(device), remote_addr=remote) for _ in range(SOCKETS)]
    try:
        while True:
            sent = device.next()
            opened[sent.socket][0].sendto(sent.data)
            await asyncio.sleep(_SPEAKS_EVERY)
    finally:
        for transport, _ in opened:
            transport.close()


async def _flood(fleet: mqtt_run.MqttFleet) -> None:
    """Report a version as often as it was said, or as the connection takes it."""
    begin, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - begin) * _PER_SECOND)
        for device in fleet.devices:
            for _ in range(due - sent):
                device.report_version()
        sent = due
        await asyncio.sleep(_TICK)


def _wait_closed(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        return

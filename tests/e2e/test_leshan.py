"""Devices that are not ours: Eclipse Leshan's client libraries upgrade through Sluice, over HTTP and CoAP only.

Leshan 2.0 speaks LwM2M 1.1, with and without queue mode; Leshan 1.5 speaks LwM2M 1.0.
"""

import asyncio
import secrets
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.processes import end_with_the_tests

from sluice_demo.appserver import AppServer, Fleet
from sluice_demo.callbacks import CallbackReceiver
from sluice_demo.firmware import make_package
from sluice_embedded.adapters.java import ensure_jars
from sluice_embedded.install import HOME
from sluice_embedded.stack import Stack

VERSION, TARGET = "V1.0", "V2.0"
IMAGE_BYTES = 20_000
DEADLINE = 120.0


class Client(NamedTuple):
    """A device made of a line of the library.

    Attributes:
        folder: Beside this file, with its program, its pom and the digests of its jars.
        program: The program.
        arguments: What it is told beside server, name and versions.
    """

    folder: str
    program: str
    arguments: tuple[str, ...] = ()


CLIENTS = {
    "leshan-2": Client("leshan", "LeshanDevice.java"),
    "leshan-2-in-queue-mode": Client("leshan", "LeshanDevice.java", ("queue",)),
    "leshan-1.5": Client("leshan1", "Leshan1Device.java"),
}


def installed(client: Client) -> Path:
    """Return the folder of a client's libraries, from Maven's repository."""
    folder = Path(__file__).parent / client.folder
    title = f"Eclipse Leshan's client ({client.folder})"
    return ensure_jars(HOME / "parts", client.folder, title, folder / "pom.xml", folder / "jars.sha256")


@asynccontextmanager
async def leshan_device(client: Client, server: str, endpoint: str) -> AsyncIterator[Process]:
    """Run the device until the block ends; its steps are lines on standard output."""
    libraries = await asyncio.to_thread(installed, client)
    device = await asyncio.create_subprocess_exec(
        "java",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{libraries}/*",
        str(Path(__file__).parent / client.folder / client.program),
        server,
        endpoint,
        VERSION,
        TARGET,
        *client.arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=subprocess.DEVNULL,
        cwd=libraries,
    )
    end_with_the_tests(device.pid)
    try:
        yield device
    finally:
        if device.returncode is None:
            device.kill()
        await device.communicate()


async def lines_until_booted(device: Process, version: str) -> list[str]:
    """Return what the device said until it booted a version."""
    said: list[str] = []
    if device.stdout is None:
        raise RuntimeError("the device has no standard output")
    async with asyncio.timeout(DEADLINE):
        while f"booted {version}" not in said:
            line = await device.stdout.readline()
            assert line, f"the device ended after {said}"
            said.append(line.decode().strip())
    return said


def callback_port(api: str) -> int:
    """Return a port of the system's block that no part uses."""
    return (urlsplit(api).port or 0) + 91


@pytest.mark.requirement(
    "R060", "R061", "R063", "R066", "R078", "R079", "R080", "R081", "R082", "R083", "R084", "R085", "R086", "R120"
)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_a_device_made_of_leshan_upgrades_and_the_app_server_hears_of_it(
    client: Client, stack: Stack, tmp_path: Path
) -> None:
    endpoints = stack.endpoints
    package = await asyncio.to_thread(make_package, tmp_path, TARGET, IMAGE_BYTES, 1)
    endpoint = f"leshan-{secrets.token_hex(4)}"
    async with (
        AppServer.register(endpoints.api, endpoints.admin_password) as server,
        CallbackReceiver(callback_port(endpoints.api), secrets.token_hex(16)) as receiver,
    ):
        await server.add_products()
        await server.add_package(package, TARGET, ["V1.*"])
        await server.add_fleet(Fleet(main=[endpoint], to_stop=[], incapable=frozenset()))
        await server.subscribe(receiver.url, receiver.secret)
        async with leshan_device(client, endpoints.coap[0], endpoint) as device:
            await lines_until_booted(device, VERSION)
            task = await server.create_task("main", {"waiting": 1.0})
            said = await lines_until_booted(device, TARGET)
            async with asyncio.timeout(DEADLINE):
                # A callback may be ahead of what the API shows.
                while not receiver.results or not all(e.is_final for e in await server.client.executions(task)):
                    await asyncio.sleep(0.2)
        executions = await server.client.executions(task)

    assert f"downloaded {IMAGE_BYTES} {package.image_sha256}" in said
    assert said.count("execute") == 1
    assert [e.status for e in executions] == ["SUCCEEDED"]
    assert list(receiver.results) == [(executions[0].execution_id, "SUCCEEDED")]

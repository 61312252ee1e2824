"""A device that is not ours: Huawei's own Java device SDK upgrades through Sluice, over MQTT and HTTP only."""

import asyncio
import os
import secrets
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.processes import end_with_the_tests

from sluice_demo.appserver import AppServer, MqttFleet
from sluice_demo.callbacks import CallbackReceiver
from sluice_demo.executions import Execution
from sluice_demo.firmware import make_package
from sluice_embedded.adapters.java import ensure_jars
from sluice_embedded.install import HOME, run_quietly
from sluice_embedded.stack import Stack
from sluice_simulator.mqtt.fleet import Identity

FOLDER = Path(__file__).parent / "huawei"
VERSION, TARGET = "V1.0", "V2.0"
IMAGE_BYTES = 300_000
DEADLINE = 120.0


@pytest.fixture(scope="session")
def huawei_libraries() -> Path:
    """Folder of Huawei's SDK and what it needs, from Maven's repository."""
    return ensure_jars(HOME / "parts", "huawei", "Huawei's device SDK", FOLDER / "pom.xml", FOLDER / "jars.sha256")


@pytest.fixture(scope="session")
def trust(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key store with the certificate of the embedded broker, as the SDK wants it."""
    store = tmp_path_factory.mktemp("trust") / "ca.jks"
    certificate = stack.endpoints.mqtt_certificate
    assert certificate is not None
    run_quietly(
        [
            *("keytool", "-importcert", "-noprompt", "-storetype", "JKS", "-alias", "broker", "-storepass", "sluice"),
            *("-file", certificate, "-keystore", str(store)),
        ]
    )
    return store


@asynccontextmanager
async def huawei_device(libraries: Path, broker: str, identity: Identity, *trusted: Path) -> AsyncIterator[Process]:
    """Run the device until the block ends; its steps are lines on standard output, among the SDK's log."""
    device = await asyncio.create_subprocess_exec(
        "java",
        "-cp",
        f"{libraries}/*",
        str(FOLDER / "HuaweiDevice.java"),
        broker.replace("mqtts://", "ssl://").replace("mqtt://", "tcp://"),
        identity.device_id,
        identity.secret,
        VERSION,
        *map(str, trusted),
        stdin=PIPE,
        stdout=PIPE,
        stderr=subprocess.DEVNULL,
        cwd=libraries,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    end_with_the_tests(device.pid)
    try:
        yield device
    finally:
        if device.returncode is None:
            device.kill()
        await device.communicate()


async def lines_until(device: Process, last: str) -> list[str]:
    """Return what the device said until it said the last line."""
    said: list[str] = []
    assert device.stdout is not None
    async with asyncio.timeout(DEADLINE):
        while last not in said:
            line = await device.stdout.readline()
            assert line, f"the device ended after {said}"
            said.append(line.decode().strip())
    return said


async def executions_ended(server: AppServer, task: str, receiver: CallbackReceiver) -> list[Execution]:
    """Return a task's executions once all have ended and were called back."""
    async with asyncio.timeout(DEADLINE):
        while True:
            executions = await server.client.executions(task)
            if executions and receiver.results and all(execution.is_final for execution in executions):
                return executions
            await asyncio.sleep(0.2)


@pytest.mark.requirement("R001", "R090", "R091", "R093", "R095", "R097", "R098", "R100", "R101", "R120")
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_device_made_of_huaweis_sdk_upgrades_and_the_app_server_hears_of_it(
    stack: Stack, huawei_libraries: Path, trust: Path, tmp_path: Path, *, tls: bool
) -> None:
    endpoints = stack.endpoints
    broker = endpoints.mqtts if tls else endpoints.mqtt
    assert broker is not None
    package = await asyncio.to_thread(make_package, tmp_path, TARGET, IMAGE_BYTES, 1)
    callback_port = (urlsplit(endpoints.api).port or 0) + 92
    async with (
        AppServer.register(endpoints.api, endpoints.admin_password) as server,
        CallbackReceiver(callback_port, secrets.token_hex(16)) as receiver,
    ):
        await server.add_mqtt_product()
        await server.add_mqtt_package(package, TARGET, ["V1.*"])
        ((_, identity),) = (await server.add_mqtt_fleet(MqttFleet([f"huawei-{secrets.token_hex(4)}"], []))).items()
        await server.subscribe(receiver.url, receiver.secret)
        async with huawei_device(huawei_libraries, broker, identity, *((trust,) if tls else ())) as device:
            await lines_until(device, f"booted {VERSION}")
            task = await server.create_task("mqtt", {"waiting": 1.0})
            said = await lines_until(device, f"booted {TARGET}")
            executions = await executions_ended(server, task, receiver)

    assert f"downloaded {IMAGE_BYTES} {package.image_sha256}" in said
    assert said.count(f"offered {TARGET}") == 1
    assert [e.status for e in executions] == ["SUCCEEDED"]
    assert executions[0].reported_version == TARGET
    assert list(receiver.results) == [(executions[0].execution_id, "SUCCEEDED")]


@pytest.mark.requirement("R091", "R092")
async def test_one_with_a_wrong_secret_is_refused(stack: Stack, huawei_libraries: Path) -> None:
    endpoints = stack.endpoints
    assert endpoints.mqtt is not None
    async with AppServer.register(endpoints.api, endpoints.admin_password) as server:
        await server.add_mqtt_product()
        ((_, identity),) = (await server.add_mqtt_fleet(MqttFleet([f"huawei-{secrets.token_hex(4)}"], []))).items()
    wrong = Identity(identity.device_id, "another-secret")
    async with huawei_device(huawei_libraries, endpoints.mqtt, wrong) as device:
        await lines_until(device, "refused")

"""Services are killed and held in mid-campaign with full windows; the invariants are checked at the devices.

Every campaign runs on a system of its own. Its devices are healthy and its deadlines longer than any outage here, so
every one of them must have succeeded in the end.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sluice_demo import scaled
from sluice_demo.devices import DeviceProcess
from sluice_demo.judgement import judge
from sluice_demo.run import Place, run
from sluice_demo.scenario import Scenario
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.stack import Stack

LONGER_THAN_A_SESSION = 14.0
"""Seconds; the stages' sessions with Kafka last 10 s."""
FULL_DEADLINE = 90.0

Harm = Callable[[Stack], Awaitable[None]]


def campaign() -> Scenario:
    """Return one dense cell of healthy devices with retries and patience."""
    scenario = scaled.scenario(devices=120, cells=1, seed=11)
    timeouts = {**scenario.policy["timeouts"], "online": 120.0, "download": 60.0, "update": 60.0}
    timeouts |= dict.fromkeys(("version", "coverage", "observe", "download_start", "update_start", "result"), 40.0)
    return replace(
        scenario,
        fleet=replace(scenario.fleet, failing=0.0, retries=3),
        policy={**scenario.policy, "max_retries": 3, "timeouts": timeouts},
        fills_windows=False,  # retries and harm decide who meets whom
    )


def killed(*services: str) -> Harm:
    """SIGKILL hits services one after the other, each when the last one serves again."""

    async def harm(stack: Stack) -> None:
        for service in services:
            pid = await asyncio.to_thread(stack.kill, service)
            await asyncio.to_thread(stack.wait_restarted, service, pid)

    return harm


def held(*services: str) -> Harm:
    """SIGSTOP holds services for longer than their sessions, then SIGCONT lets them go on where they were."""

    async def harm(stack: Stack) -> None:
        for service in services:
            stack.kill(service, signal.SIGSTOP)
        await asyncio.sleep(LONGER_THAN_A_SESSION)
        for service in services:
            stack.kill(service, signal.SIGCONT)

    return harm


def when_full(harm: Harm, *, first: Harm | None = None) -> Callable[[Stack, DeviceProcess], Awaitable[None]]:
    """Do the harm once the largest window is full, as seen at the devices, and another one before, at once."""

    async def wait_and_harm(stack: Stack, devices: DeviceProcess) -> None:
        if first is not None:
            await first(stack)
        async with asyncio.timeout(FULL_DEADLINE):
            while not any(w.held >= w.limit > 1 for w in (await devices.look()).windows):
                await asyncio.sleep(0.2)
        await harm(stack)

    return wait_and_harm


def mqtt_campaign() -> Scenario:
    """Return a few LwM2M devices and many healthy MQTT devices, with retries and patience."""
    scenario = scaled.scenario(devices=4, cells=1, seed=11, mqtt_devices=120)
    assert scenario.mqtt is not None
    patient = dict.fromkeys(("online", "version", "mqtt_download", "update", "result"), 120.0)
    mqtt = replace(
        scenario.mqtt,
        fleet=replace(scenario.mqtt.fleet, failing=0.0, retries=3),
        policy={**scenario.mqtt.policy, "max_retries": 3, "timeouts": patient | {"version": 20.0}},
    )
    timeouts = {**scenario.policy["timeouts"], "online": 120.0}
    return replace(
        scenario,
        fleet=replace(scenario.fleet, failing=0.0, retries=3),
        policy={**scenario.policy, "max_retries": 3, "timeouts": timeouts},
        fills_windows=False,
        mqtt=mqtt,
    )


def when_mqtt_downloads(harm: Harm) -> Callable[[Stack, DeviceProcess], Awaitable[None]]:
    """Do the harm once MQTT devices download, as seen at the devices."""

    async def wait_and_harm(stack: Stack, devices: DeviceProcess) -> None:
        async with asyncio.timeout(FULL_DEADLINE):
            while not any(w.cell is None and w.held >= w.limit // 2 for w in (await devices.look()).windows):
                await asyncio.sleep(0.2)
        await harm(stack)

    return wait_and_harm


def away(service: str, seconds: float) -> Harm:
    """SIGSTOP holds a part for so long, as if the network to it were broken."""

    async def harm(stack: Stack) -> None:
        stack.kill(service, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        stack.kill(service, signal.SIGCONT)

    return harm


@pytest.mark.requirement("R067", "R072", "R073", "R087", "R143")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(
            when_full(killed("lwm2m-gateway"), first=killed("relay")),
            id="relay-killed-while-it-expands-then-gateway",
        ),
        pytest.param(when_full(killed("scheduler-devices", "scheduler-cells")), id="scheduler-killed"),
        pytest.param(when_full(held("scheduler-cells", "scheduler-devices")), id="scheduler-held"),
    ],
)
async def test_a_campaign_completes_within_its_limits_whatever_happens_to_a_service(
    meanwhile: Callable[[Stack, DeviceProcess], Awaitable[None]], tmp_path: Path
) -> None:
    place = Place(port_base=free_base(), state_dir=tmp_path)
    judgement = judge(await run(campaign(), place, Console(), meanwhile=meanwhile))

    assert judgement.report.violations == 0, judgement.differences
    assert judgement.report.succeeded == judgement.report.devices, judgement.differences
    assert judgement.report.callbacks.received == judgement.report.devices
    assert not judgement.differences


@pytest.mark.requirement("R099", "R102", "R143")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(when_mqtt_downloads(killed("mqtt", "mqtt-gateway")), id="broker-then-gateway-killed"),
        pytest.param(when_mqtt_downloads(away("kafka", 30.0)), id="kafka-away"),
    ],
)
async def test_mqtt_devices_upgrade_within_their_tasks_limit_whatever_happens(
    meanwhile: Callable[[Stack, DeviceProcess], Awaitable[None]], tmp_path: Path
) -> None:
    place = Place(port_base=free_base(), state_dir=tmp_path)
    judgement = judge(await run(mqtt_campaign(), place, Console(), meanwhile=meanwhile))

    assert judgement.report.violations == 0, judgement.differences
    assert judgement.report.succeeded == judgement.report.devices, judgement.differences
    assert not judgement.differences

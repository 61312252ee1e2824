"""Campaigns on systems of their own, and the harm that is done to services meanwhile.

The devices are healthy and the deadlines longer than any outage here, so every one of them must succeed in the end.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sluice_demo import scaled
from sluice_demo.devices import DeviceProcess
from sluice_demo.scenario import Scenario
from sluice_embedded.stack import Stack

LONGER_THAN_A_SESSION = 14.0
"""Seconds; the stages' sessions with Kafka last 10 s."""
FULL_DEADLINE = 90.0

Harm = Callable[[Stack], Awaitable[None]]
Meanwhile = Callable[[Stack, DeviceProcess], Awaitable[None]]


def lwm2m_campaign() -> Scenario:
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


def rolled(*services: str) -> Harm:
    """SIGTERM ends services in good order, one after the other, as a rolling upgrade does."""

    async def harm(stack: Stack) -> None:
        for service in services:
            await asyncio.to_thread(stack.restart, service)

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


def when_full(harm: Harm, *, first: Harm | None = None) -> Meanwhile:
    """Do the harm once the largest window is full, as seen at the devices, and another one before, at once."""

    async def wait_and_harm(stack: Stack, devices: DeviceProcess) -> None:
        if first is not None:
            await first(stack)
        async with asyncio.timeout(FULL_DEADLINE):
            while not any(w.held >= w.limit > 1 for w in (await devices.look()).windows):  # noqa: ASYNC110 - another process is looked at
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
        # Longer than a broker takes to be there again: who is idle for so long loses its place, and offers come late.
        services={**scenario.services, "SLUICE_DOWNLOAD_IDLE": "120.0"},
        fills_windows=False,
        mqtt=mqtt,
    )


def when_mqtt_downloads(harm: Harm) -> Meanwhile:
    """Do the harm once MQTT devices download, as seen at the devices."""

    async def wait_and_harm(stack: Stack, devices: DeviceProcess) -> None:
        async with asyncio.timeout(FULL_DEADLINE):
            while not any(w.cell is None and w.held >= w.limit // 2 for w in (await devices.look()).windows):  # noqa: ASYNC110
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

"""A campaign from start to end: system, app server, devices, tasks; what comes of it is for `sluice_demo.judgement`."""

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console

from sluice_demo.appserver import AppServer, Fleet, MqttFleet
from sluice_demo.callbacks import CallbackReceiver
from sluice_demo.campaign import Campaign, Outcome, PlannedTask
from sluice_demo.devices import DeviceProcess, DevicesError, MqttSimulation, Simulation
from sluice_demo.firmware import SignedPackage, make_package
from sluice_demo.hostile import Neighbours
from sluice_demo.judgement import Evidence
from sluice_demo.mqtt_judgement import MqttEvidence
from sluice_demo.progress import WindowLoad, view_for
from sluice_demo.scenario import MqttScenario, Scenario
from sluice_embedded.adapters.sockets import require_free
from sluice_embedded.adapters.state import Endpoints
from sluice_embedded.domain.ports import CLIENT_HOST
from sluice_embedded.domain.services import MQTT, MQTT_GATEWAY, PARTS, all_services
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack
from sluice_simulator.fleet import FleetPlan, Role
from sluice_simulator.mqtt.fleet import MqttPlan

SIMULATOR = "simulator"
"""Name of the devices' process among the processor times."""
_CALLBACK_PORT = 90
"""Offset of the callback receiver's port."""
_REGISTERED_DEADLINE, _REGISTERED_SECONDS_PER_DEVICE = 60.0, 0.02
"""Until when all devices must have come online."""
_MQTT_TASKS = {Role.TO_STOP: "mqtt-to-stop", Role.MAIN: "mqtt", Role.ONE_BASED: "mqtt-one-based"}
"""Groups of MQTT devices, each of which has a task, in the order in which these are created."""
_CAMPAIGN_SECONDS, _CAMPAIGN_SECONDS_PER_DEVICE = 180.0, 0.2
"""When the campaign is given up."""

Afterwards = Callable[[Endpoints, Outcome], Awaitable[None]]


class System(Protocol):
    """A system in which a campaign runs: started for it, or there already."""

    @property
    def endpoints(self) -> Endpoints:
        """Where it is reached."""

    def cpu_seconds(self) -> Mapping[str, float]:
        """Return user and system time of each of its processes, as far as it is known."""


AnySystem = TypeVar("AnySystem", bound=System)
Meanwhile = Callable[[Stack, DeviceProcess], Awaitable[None]]


@dataclass(frozen=True)
class Place:
    """Where the system runs.

    Attributes:
        port_base: Its lowest port.
        state_dir: Folder of its state; wiped first, unless the system is there already.
        callback_host: Address of this machine at which the system reaches the receiver of callbacks.
        replicas: How many processes each service has.
        python: Runs the services; that of another checkout has another version of them.
    """

    port_base: int
    state_dir: Path
    callback_host: str = CLIENT_HOST
    replicas: int = 1
    python: str = sys.executable


async def run(
    scenario: Scenario,
    place: Place,
    console: Console,
    *,
    meanwhile: Meanwhile | None = None,
    throughout: Meanwhile | None = None,
    afterwards: Afterwards | None = None,
    neighbours: Neighbours | None = None,
    longer: float = 0.0,
) -> Evidence:
    """Start everything, run the campaign, and stop everything.

    Args:
        scenario: Devices, times, image.
        place: Where.
        console: Gets the progress.
        meanwhile: Runs beside the campaign, for example to do the system harm; the campaign's end waits for it.
        throughout: The same, but it has no end of its own: it is cancelled when the campaign is over.
        afterwards: Awaited when the campaign is over and the system still runs.
        neighbours: Live on the platform as long as the campaign does.
        longer: Seconds by which the campaign is given up later, for example as a part is away for a while.

    Raises:
        PlatformError: The platform refused what the app server asked.
        DevicesError: The devices did not come online.
        Exception: One of `sluice_embedded.entrypoints.supervisor.EXPECTED_ERRORS`, if the system did not start.
    """
    return await run_on(
        _system(place, scenario, console),
        scenario,
        place,
        console,
        meanwhile=meanwhile,
        throughout=throughout,
        afterwards=afterwards,
        neighbours=neighbours,
        longer=longer,
    )


async def run_on(
    opening: AbstractAsyncContextManager[AnySystem],
    scenario: Scenario,
    place: Place,
    console: Console,
    *,
    meanwhile: Callable[[AnySystem, DeviceProcess], Awaitable[None]] | None = None,
    throughout: Callable[[AnySystem, DeviceProcess], Awaitable[None]] | None = None,
    afterwards: Afterwards | None = None,
    neighbours: Neighbours | None = None,
    longer: float = 0.0,
) -> Evidence:
    """Run the campaign on a system that is opened for it; as of `run` otherwise."""
    plan = scenario.plan()
    async with AsyncExitStack() as opened:
        callback_port = place.port_base + _CALLBACK_PORT
        require_free(callback_port, "the receiver of callbacks", host=place.callback_host)
        receiver = CallbackReceiver(callback_port, secrets.token_hex(16), place.callback_host)
        system = await opened.enter_async_context(opening)
        await opened.enter_async_context(receiver)
        server = await opened.enter_async_context(
            AppServer.register(system.endpoints.api, system.endpoints.admin_password)
        )
        package = await asyncio.to_thread(
            make_package, place.state_dir, scenario.fleet.target_version, scenario.image_bytes, scenario.fleet.seed
        )
        await _prepare(server, plan, scenario, package)
        mqtt = await _prepare_mqtt(server, scenario.mqtt, system.endpoints, place) if scenario.mqtt else None
        await server.subscribe(receiver.url, receiver.secret)
        everybody = len(plan.devices) + (len(mqtt.identities) if mqtt else 0)
        console.print(f"App, products, key, package, {everybody} devices, groups and subscription are there.")
        devices = await opened.enter_async_context(
            DeviceProcess(Simulation(scenario, system.endpoints.coap, package.image_sha256, mqtt))
        )
        await _until_registered(devices, sum(spec.online for spec in plan.devices), mqtt)
        if neighbours is not None:
            await opened.enter_async_context(neighbours(system.endpoints, place.state_dir, place.port_base))
        console.print("The devices are registered; the tasks begin.")
        campaign = _campaign(
            scenario, plan, server=server, receiver=receiver, devices=devices, system=system, longer=longer
        )
        with view_for(console) as view:
            beside = asyncio.ensure_future(meanwhile(system, devices) if meanwhile else asyncio.sleep(0))
            endless = asyncio.ensure_future(throughout(system, devices) if throughout else asyncio.sleep(0))
            try:
                outcome = await campaign.run(view)
            except BaseException:
                beside.cancel()
                raise
            finally:
                endless.cancel()
            await asyncio.gather(beside, _cancelled(endless))
        timelines = await devices.timelines()
        mqtt_evidence = await _mqtt_evidence(scenario.mqtt, devices) if scenario.mqtt else None
        if afterwards is not None:
            await afterwards(system.endpoints, outcome)
    return Evidence(
        plan=plan,
        outcome=outcome,
        results=receiver.results,
        received_at=receiver.received_at,
        timelines=timelines,
        monotonic_offset=time.time() - time.monotonic(),
        other_processes=frozenset({SIMULATOR, *PARTS}),
        fills_windows=scenario.fills_windows,
        mqtt=mqtt_evidence,
    )


def together(all_of_them: Sequence[Meanwhile]) -> Meanwhile:
    """Return what does several things at once."""

    async def beside(stack: Stack, devices: DeviceProcess) -> None:
        await asyncio.gather(*(each(stack, devices) for each in all_of_them))

    return beside


async def _cancelled(task: asyncio.Future[None]) -> None:
    """Wait for a task that was cancelled; what went wrong before is raised."""
    with suppress(asyncio.CancelledError):
        await task


def run_interruptibly(campaign: Coroutine[Any, Any, Evidence]) -> Evidence:
    """Run a campaign in an event loop of its own; at Ctrl-C, or told to end, it stops what it has started.

    Raises:
        KeyboardInterrupt: It was told to end.
    """

    async def interruptible() -> Evidence:
        task = asyncio.ensure_future(campaign)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@asynccontextmanager
async def _system(place: Place, scenario: Scenario, console: Console) -> AsyncIterator[Stack]:
    """Start a system on an empty state folder, and stop it in the end, also if this is cancelled on the way."""
    settings = EmbeddedSettings(state_dir=place.state_dir, port_base=place.port_base, replicas=place.replicas)
    await asyncio.to_thread(reset, settings)
    stack = Stack(
        settings,
        services=None if scenario.mqtt else _without_mqtt(settings),
        env={"SLUICE_CALLBACK_ALLOW_PRIVATE": "true", **scenario.services},  # the receiver is on this machine
        python=place.python,
        progress=lambda text: console.print(text, style="dim"),
    )
    starting = asyncio.ensure_future(asyncio.to_thread(stack.start))
    try:
        await asyncio.shield(starting)
        yield stack
    finally:
        console.print("Stopping the system.", style="dim")
        await asyncio.wait([starting])  # a thread cannot be cancelled
        await asyncio.to_thread(stack.stop)


def _without_mqtt(settings: EmbeddedSettings) -> list[str]:
    """Return the names of everything that LwM2M devices need."""
    services = all_services(settings.ports, str(settings.listen))
    return [name for name in (*PARTS, *(service.kind for service in services)) if name not in {MQTT, MQTT_GATEWAY}]


async def _prepare(server: AppServer, plan: FleetPlan, scenario: Scenario, package: SignedPackage) -> None:
    await server.add_products()
    await server.add_package(package, scenario.fleet.target_version, [scenario.fleet.source_version])
    await server.add_fleet(
        Fleet(
            main=[spec.endpoint for spec in plan.devices if spec.role is not Role.TO_STOP],
            to_stop=[spec.endpoint for spec in plan.devices if spec.role is Role.TO_STOP],
            incapable=frozenset(spec.endpoint for spec in plan.devices if spec.role is Role.NO_CAPABILITY),
        )
    )


async def _prepare_mqtt(
    server: AppServer, scenario: MqttScenario, endpoints: Endpoints, place: Place
) -> MqttSimulation:
    """Create what MQTT devices need, with a package of their own."""
    if endpoints.mqtt is None:
        raise DevicesError("the system has no MQTT broker")
    plan = scenario.plan()
    folder = place.state_dir / "mqtt-package"
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    version = scenario.fleet.target_version
    package = await asyncio.to_thread(make_package, folder, version, scenario.image_bytes, scenario.fleet.seed + 1)
    fleet = MqttFleet(
        main=_of_role(plan, Role.MAIN), to_stop=_of_role(plan, Role.TO_STOP), one_based=_of_role(plan, Role.ONE_BASED)
    )
    await server.add_mqtt_product()
    if fleet.one_based:
        await server.add_mqtt_product(one_based=True)
    await server.add_mqtt_package(package, version, [scenario.fleet.source_version])
    identities = await server.add_mqtt_fleet(fleet)
    return MqttSimulation(scenario, endpoints.mqtt, identities, package.image_sha256)


def _of_role(plan: MqttPlan, role: Role) -> list[str]:
    return [spec.endpoint for spec in plan.devices if spec.role is role]


async def _mqtt_evidence(scenario: MqttScenario, devices: DeviceProcess) -> MqttEvidence:
    return MqttEvidence(scenario.plan(), await devices.mqtt_timelines(), scenario.limit)


async def _until_registered(devices: DeviceProcess, expected: int, mqtt: MqttSimulation | None) -> None:
    """Wait for the devices that are to come online, by either protocol."""
    expected += sum(spec.online for spec in mqtt.scenario.plan().devices) if mqtt else 0
    until = time.monotonic() + _REGISTERED_DEADLINE + expected * _REGISTERED_SECONDS_PER_DEVICE
    while True:
        look = await devices.look()
        registered = look.registered + look.mqtt_online
        if registered >= expected:
            return
        if time.monotonic() > until:
            raise DevicesError(f"only {registered} of {expected} devices could register")
        await asyncio.sleep(0.5)


def _tasks(scenario: Scenario, plan: FleetPlan) -> tuple[list[PlannedTask], int]:
    """Return the tasks and how many executions they have."""
    tasks, devices = [], len(plan.devices)
    if any(spec.role is Role.TO_STOP for spec in plan.devices):
        tasks.append(PlannedTask("to-stop", scenario.policy, stops=True))
    tasks.append(PlannedTask("main", scenario.policy))
    if scenario.mqtt is not None:
        specs = scenario.mqtt.plan().devices
        devices += len(specs)
        roles = {spec.role for spec in specs}
        tasks += [
            PlannedTask(group, scenario.mqtt.policy, stops=role is Role.TO_STOP)
            for role, group in _MQTT_TASKS.items()
            if role in roles
        ]
    return tasks, devices


def _campaign(
    scenario: Scenario,
    plan: FleetPlan,
    *,
    server: AppServer,
    receiver: CallbackReceiver,
    devices: DeviceProcess,
    system: System,
    longer: float,
) -> Campaign:
    def cpu_seconds() -> Mapping[str, float]:
        return {**system.cpu_seconds(), SIMULATOR: devices.cpu_seconds()}

    async def loads() -> list[WindowLoad]:
        return (await devices.look()).windows

    tasks, executions = _tasks(scenario, plan)
    return Campaign(
        server,
        receiver,
        tasks=tasks,
        devices=executions,
        loads=loads,
        cpu_seconds=cpu_seconds,
        deadline=_CAMPAIGN_SECONDS + _CAMPAIGN_SECONDS_PER_DEVICE * executions + longer,
    )

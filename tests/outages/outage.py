"""Parts that are away for a while, and how soon everything goes on once they answer again."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from sluice_bench.awake_device import AwakeDevice
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import ALL_TOPICS
from sluice_demo.appserver import AppServer, Fleet, MqttFleet
from sluice_demo.client import PlatformError
from sluice_demo.devices import DeviceProcess, DevicesError
from sluice_embedded.domain.services import KAFKA
from sluice_embedded.stack import Stack
from sluice_simulator.mqtt.fleet import Identity
from sluice_simulator.mqtt.plan import MqttOptions, make_plan
from sluice_simulator.mqtt.run import MqttFleet as SimulatedFleet
from sluice_simulator.timeline import Timeline, What

_FULL_DEADLINE, _RETURN_DEADLINE = 120.0, 180.0
_POLL = 0.25
_PROBE = "outage-probe"
_MQTT_PROBE = make_plan(MqttOptions(devices=1, endpoint_prefix=_PROBE, failing=0.0, uniform=True))
_LOGIN_PATIENCE = 5.0
_COMMANDED = frozenset({What.URI_RECEIVED, What.EXECUTED, What.COVERAGE_REPORTED, What.VERSION_REPORTED})
"""What devices do only when the stages have told a gateway to ask for it."""


class Form(StrEnum):
    """How a part is away."""

    HELD = "held"
    """SIGSTOP: connections stay open and nothing answers, as behind a broken network."""
    GONE = "gone"
    """SIGKILL, and not started again: connections are refused."""


@dataclass
class Recovery:
    """Seconds from when all parts accepted connections again until something worked; what never did is not in it.

    Attributes:
        seconds: By what was tried; Kafka itself, if it was away, when it leads all its partitions again: one that was
            killed mends their logs first, of one that was held another broker might have them.
    """

    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Outage:
    """Parts that are away in mid-campaign; to be given to `sluice_demo.run` as `meanwhile`.

    Attributes:
        parts: Names of the parts.
        form: How they are away.
        duration: For how long, seconds.
        recovery: What was measured afterwards.
    """

    parts: Sequence[str]
    form: Form
    duration: float
    recovery: Recovery = field(default_factory=Recovery)

    async def __call__(self, stack: Stack, devices: DeviceProcess) -> None:
        """Wait for a full window, do the harm, and measure how everything goes on."""
        async with AppServer.register(stack.endpoints.api, stack.endpoints.admin_password) as server:
            await server.add_products()
            await server.add_fleet(Fleet(main=[_PROBE], to_stop=[], incapable=frozenset()))
            await server.add_mqtt_product()
            probes = MqttFleet(main=[spec.endpoint for spec in _MQTT_PROBE.devices], to_stop=[])
            identities = await server.add_mqtt_fleet(probes)
            await _order_a_read(server)
            async with asyncio.timeout(_FULL_DEADLINE):
                while not any(w.held >= w.limit > 1 for w in (await devices.look()).windows):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(_POLL)
            online = (await devices.look()).mqtt_online
            await self._be_away(stack)
            back = time.monotonic()
            with _Probe(stack) as probe:
                await asyncio.gather(
                    self._measure("API", back, lambda: _creates(server)),
                    self._measure("LwM2M gateway", back, probe.registers),
                    self._measure("MQTT log-in", back, lambda: _logs_in(stack, identities)),
                    self._measure("all MQTT devices", back, lambda: _is_online(devices, online)),
                    self._measure("stages", back, lambda: _is_commanded(devices, back, probe)),
                    *([self._measure(KAFKA, back, lambda: _leads(stack))] if KAFKA in self.parts else ()),
                )

    async def _be_away(self, stack: Stack) -> None:
        for part in self.parts:
            if self.form is Form.HELD:
                stack.kill(part, signal.SIGSTOP)
            else:
                await asyncio.to_thread(stack.cut_off, part)
        await asyncio.sleep(self.duration)
        if self.form is Form.HELD:
            for part in self.parts:
                stack.kill(part, signal.SIGCONT)
        else:
            await asyncio.gather(*(asyncio.to_thread(stack.start_service, part) for part in self.parts))

    async def _measure(self, name: str, since: float, is_there: Callable[[], Awaitable[bool]]) -> None:
        while time.monotonic() < since + _RETURN_DEADLINE:
            if await is_there():
                self.recovery.seconds[name] = round(time.monotonic() - since, 1)
                return
            await asyncio.sleep(_POLL)


async def _leads(stack: Stack) -> bool:
    """Return whether Kafka leads all partitions: of others it answers NOT_LEADER_OR_FOLLOWER, to producers too."""
    partitions = [TopicPartition(topic.name, n) for topic in ALL_TOPICS for n in range(CommonSettings().partitions)]
    try:
        async with started(AIOKafkaConsumer(bootstrap_servers=stack.endpoints.kafka_bootstrap)) as consumer:
            await consumer.end_offsets(partitions)
    except KafkaError:
        return False
    return True


async def _creates(server: AppServer) -> bool:
    try:
        await server.client.create("/groups", {"name": f"outage-{time.time_ns()}"})
    except PlatformError:
        return False
    return True


async def _order_a_read(server: AppServer) -> None:
    """Have something to do for the stages when the probe registers: the campaign may have gone on without its parts."""
    (probe,) = (await server.client.get("/devices", endpoint=_PROBE))["items"]
    order = {"operation": "read", "path": "/3/0/0", "expires_in": 86_400}
    await server.client.create(f"/devices/{probe['device_id']}/commands", order)


class _Probe:
    """A device that registers when all parts are back, and for which a command waits."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._device: AwakeDevice | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._device is not None:
            self._device.close()

    async def registers(self) -> bool:
        """Return whether it has registered."""
        try:
            self._device = await AwakeDevice.register(self._stack.endpoints.coap[0], _PROBE)
        except DevicesError:
            return False
        return True

    @property
    def was_asked(self) -> bool:
        """Return whether it has got its command."""
        return self._device is not None and not self._device.asked_at.empty()


async def _logs_in(stack: Stack, identities: Mapping[str, Identity]) -> bool:
    """Try with a device that has not tried before: those of the campaign wait longer after each failure."""
    fleet = SimulatedFleet(_MQTT_PROBE, stack.endpoints.mqtt or "", identities)
    await fleet.start()
    until = time.monotonic() + _LOGIN_PATIENCE
    while not fleet.counts().online and time.monotonic() < until:  # noqa: ASYNC110 - the broker answers
        await asyncio.sleep(_POLL)
    is_online = fleet.counts().online > 0
    await fleet.stop()
    return is_online


async def _is_online(devices: DeviceProcess, expected: int) -> bool:
    return (await devices.look()).mqtt_online >= expected


async def _is_commanded(devices: DeviceProcess, since: float, probe: _Probe) -> bool:
    if probe.was_asked:
        return True
    timelines: list[Timeline] = [*await devices.timelines(), *await devices.mqtt_timelines()]
    return any(event.at > since and event.what in _COMMANDED for timeline in timelines for event in timeline.events)

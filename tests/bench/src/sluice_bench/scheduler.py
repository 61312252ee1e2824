"""`bench scheduler`: executions per CPU-second of the scheduler's processes, saturated.

Both stages run as processes on a real Kafka. Devices and gateways are simulated at the topics (`sluice_bench.gateway`)
and take no time, so that the number of events is the real one and nothing but the scheduler is waited for.
"""

import argparse
import asyncio
import time
from collections import Counter
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from sluice_bench.events import count_events
from sluice_bench.gateway import GATEWAY, SimulatedGateway
from sluice_common.bus import AdminClient, Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages import codec
from sluice_common.messages.base import now
from sluice_common.messages.device_events import DeviceEvent, ExecutionRequested
from sluice_common.messages.execution_events import ExecutionChanged
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS, LWM2M_COMMANDS
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

TARGET: Final = 100.0
"""Least executions per CPU-second."""
_STAGES: Final = ("scheduler-devices", "scheduler-cells")
_DEVICES_GROUP: Final = "sluice-devices"
_DEVICES_PER_CELL: Final = 100
"""Twice the slots of a level-0 window, so that half of a cell's devices queue."""
_SOURCE, _TARGET = "1.0.0", "2.0.0"
_SLOWEST: Final = 600.0
"""Seconds until all executions must have ended."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--devices", type=int, default=3000, help="executions")
    parser.add_argument("--port-base", type=int, default=19_200, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure and return the figures."""
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "scheduler", port_base=options.port_base)
    reset(settings)
    services = {"kafka", *_STAGES}
    with Stack(settings, services=services, progress=lambda text: console.print(text, style="dim")) as stack:
        return asyncio.run(_measure(stack, options.devices))


async def _measure(stack: Stack, devices: int) -> dict[str, Any]:
    return await _Campaign(stack, devices).run()


class _Campaign:
    """All executions, from the first request to the last end."""

    def __init__(self, stack: Stack, devices: int) -> None:
        self._stack = stack
        self._kafka = stack.endpoints.kafka_bootstrap
        self._device_ids = [new_id() for _ in range(devices)]
        cells = {device_id: number // _DEVICES_PER_CELL for number, device_id in enumerate(self._device_ids)}
        self._gateway = SimulatedGateway(cells, _SOURCE, _TARGET)
        self._producer = Producer(CommonSettings(kafka_bootstrap=self._kafka))
        self._ended: dict[str, str] = {}

    async def run(self) -> dict[str, Any]:
        """Register the devices, then measure from the first request to the last end."""
        async with started(self._producer):
            await self._publish(list(self._gateway.registrations()))
            await self._until_idle()
            before, began_at = self._stack.cpu_seconds(), time.time()
            async with asyncio.timeout(_SLOWEST), asyncio.TaskGroup() as tasks:
                answering = tasks.create_task(self._answer())
                watching = tasks.create_task(self._watch())
                await self._publish(self._requests())
                await watching
                answering.cancel()
            seconds, after = time.time() - began_at, self._stack.cpu_seconds()
        spent = {name: after[name] - before[name] for name in after}
        return self._figures(seconds, spent, await count_events(self._kafka, began_at))

    async def _publish(self, events: list[DeviceEvent]) -> None:
        await asyncio.gather(*[await self._producer.send(DEVICE_EVENTS, e.device_id, e) for e in events])

    def _requests(self) -> list[DeviceEvent]:
        task_id = new_id()
        package = PackageSnapshot(
            package_id=new_id(), version=_TARGET, image_id=new_id(), image_size=65_536, image_sha256="0" * 64
        )
        return [
            ExecutionRequested(
                app_id="bench",
                occurred_at=now(),
                device_id=device_id,
                execution_id=execution_id(task_id, device_id),
                task_id=task_id,
                product=ProductSnapshot(product_id="bench"),
                package=package,
                policy=UpgradePolicy(waiting=0.0),
                created_at=now(),
            )
            for device_id in self._device_ids
        ]

    async def _answer(self) -> None:
        """Be the gateway until cancelled."""
        commands = self._reader()
        commands.assign([TopicPartition(LWM2M_COMMANDS.name, GATEWAY)])
        async with started(commands):
            while True:
                for records in (await commands.getmany(timeout_ms=200)).values():
                    answers = [self._gateway.answer(codec.LWM2M_COMMANDS.decode(record.value)) for record in records]
                    await self._publish([event for events in answers for event in events])

    async def _watch(self) -> None:
        """Read what became of the executions until all have ended."""
        async with started(self._reader(EXECUTION_EVENTS.name)) as events:
            while len(self._ended) < len(self._device_ids):
                for records in (await events.getmany(timeout_ms=200)).values():
                    for record in records:
                        event = codec.EXECUTION_EVENTS.decode(record.value)
                        if isinstance(event, ExecutionChanged) and event.status.is_final:
                            self._ended[event.execution_id] = event.status.value

    async def _until_idle(self) -> None:
        """Wait until the stage `devices` has taken all registrations in."""
        admin, reader = AdminClient(bootstrap_servers=self._kafka), self._reader(DEVICE_EVENTS.name)
        async with asyncio.timeout(_SLOWEST), started(admin), started(reader):
            ends = await reader.end_offsets(reader.assignment())
            while await self._lag(admin, ends):  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.5)

    async def _lag(self, admin: AdminClient, ends: dict[TopicPartition, int]) -> int:
        committed = await admin.list_consumer_group_offsets(_DEVICES_GROUP, partitions=list(ends))
        return sum(end - max(committed[tp].offset, 0) for tp, end in ends.items())

    def _reader(self, *topics: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(*topics, bootstrap_servers=self._kafka, auto_offset_reset="earliest")

    def _figures(self, seconds: float, spent: dict[str, float], events: Counter[tuple[str, str]]) -> dict[str, Any]:
        executions = len(self._ended)
        cpu = sum(spent[stage] for stage in _STAGES)
        statuses = Counter(self._ended.values())
        return {
            "executions": executions,
            "ended_as": dict(statuses),
            "seconds": round(seconds, 1),
            "executions_per_second": round(executions / seconds, 1),
            "cpu_seconds": {name: round(value, 2) for name, value in sorted(spent.items())},
            "cpu_ms_per_execution": {stage: round(spent[stage] / executions * 1000, 2) for stage in _STAGES},
            "executions_per_cpu_second": round(executions / cpu, 1),
            "target": TARGET,
            "events_per_execution": round(events.total() / executions, 1),
            "events": {f"{topic}/{kind}": round(n / executions, 2) for (topic, kind), n in sorted(events.items())},
            "met": executions / cpu >= TARGET and statuses["SUCCEEDED"] == executions,
        }

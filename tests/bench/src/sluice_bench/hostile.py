"""`bench hostile`: a device that answers with fuzz, by the million datagrams, and what an honest one notices of it.

A real gateway with its Kafka and MongoDB; the rest of the platform is played here: it asks both devices for what an
upgrade asks. Whatever one of them answers, the gateway must not restart, nor raise, and get all that the other says.
"""

import argparse
import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from sluice_bench.awake_device import AwakeDevice
from sluice_bench.hostile_sockets import HostileSockets
from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.codec import DEVICE_EVENTS as DECODER
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Observe,
    Read,
    WritePackageUri,
)
from sluice_common.mongo import connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS, LWM2M_COMMANDS
from sluice_demo.report import percentile
from sluice_embedded.domain.services import KAFKA, MONGODB
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack
from sluice_simulator.hostile import HostileDevice

_GATEWAY: Final = "lwm2m-gateway"
_APP: Final = "bench"
_BURST: Final = 50
"""Datagrams between two pings: no more are in the gateway's socket at once."""
_PER_COMMAND: Final = 200
"""Datagrams between two commands to the hostile device."""
_AT_ONCE: Final = 4
"""Commands to the hostile device that have no outcome."""
_PER_CLOSE: Final = 2_000
_RESTLESS: Final = 0.0002
"""Share of datagrams that end a registration: it should last for many commands."""
_SECONDS_PER_READ: Final = 0.5
"""Between two commands to the honest device."""
_EXPIRES: Final = 5.0
"""Seconds in which the hostile device is to answer a command."""
_DEADLINE: Final = 60.0
_STATE: Final = "/5/0/3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--datagrams", type=int, default=1_000_000, help="of the hostile device")
    parser.add_argument("--seed", type=int, default=1, help="what it sends follows from it")
    parser.add_argument("--port-base", type=int, default=19_600, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run it and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "hostile", port_base=options.port_base)
    reset(settings)
    with Stack(
        settings, services=(KAFKA, MONGODB, _GATEWAY), progress=lambda text: console.print(text, style="dim")
    ) as stack:
        seen = asyncio.run(_run(stack, options, console))
        seen.restarts = sum(service.restarts for service in stack.services() if service.name == _GATEWAY)
    seen.raised = (settings.logs / f"{_GATEWAY}.log").read_text(errors="replace").count("Traceback (most recent")
    return figures(seen)


@dataclass
class Seen:
    """What came of it.

    Attributes:
        datagrams: That the hostile device has sent.
        seconds: For which it has.
        asked: Commands to it.
        ended: Their outcomes, by status.
        honest_asked: Commands to the honest device.
        honest_done: Milliseconds from each command that it has answered to the outcome.
        restarts: Of the gateway.
        raised: Exceptions in the gateway's log.
    """

    datagrams: int = 0
    seconds: float = 0.0
    asked: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    honest_asked: int = 0
    honest_done: list[float] = field(default_factory=list)
    restarts: int = 0
    raised: int = 0


def figures(seen: Seen) -> dict[str, Any]:
    """Return the figures, and whether nothing but the device itself has suffered."""
    done = sorted(seen.honest_done)
    return {
        "datagrams": seen.datagrams,
        "datagrams_per_second": round(seen.datagrams / max(seen.seconds, 0.001)),
        "commands": seen.asked,
        "outcomes": dict(sorted(seen.ended.items())),
        "honest_commands": seen.honest_asked,
        "honest_done": len(done),
        "honest_ms_p50": round(percentile(done, 0.5), 1) if done else None,
        "honest_ms_p99": round(percentile(done, 0.99), 1) if done else None,
        "gateway_restarts": seen.restarts,
        "exceptions": seen.raised,
        "met": not seen.restarts and not seen.raised and 0 < seen.honest_asked == len(done),
    }


async def _run(stack: Stack, options: argparse.Namespace, console: Console) -> Seen:
    settings = CommonSettings(
        kafka_bootstrap=stack.endpoints.kafka_bootstrap,
        mongodb_uri=stack.endpoints.mongodb_uri,
        mongodb_database=stack.endpoints.mongodb_database,
    )
    hostile, honest = new_id(), new_id()
    async with connect(settings) as database:
        await database["devices"].insert_many(
            [{"_id": device_id, "app_id": _APP, "endpoint": device_id} for device_id in (hostile, honest)]
        )
    async with started(Producer(settings)) as producer, started(_consumer(settings)) as consumer:
        await consumer.seek_to_end()
        server = urlsplit(stack.endpoints.coap[0])
        device = await AwakeDevice.register(stack.endpoints.coap[0], honest)
        sockets = await HostileSockets.open((server.hostname or "", server.port or 0))
        platform = _Platform(producer, hostile, honest)
        tasks = [asyncio.create_task(platform.read(consumer)), asyncio.create_task(platform.ask_honest())]
        try:
            await _send(
                HostileDevice(hostile, options.seed, restless=_RESTLESS), sockets, platform, options.datagrams, console
            )
            await platform.end(tasks[1])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            sockets.close()
            device.close()
    return platform.seen


def _consumer(settings: CommonSettings) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    consumer.assign([TopicPartition(DEVICE_EVENTS.name, number) for number in range(settings.partitions)])
    return consumer


async def _send(
    device: HostileDevice, sockets: HostileSockets, platform: "_Platform", datagrams: int, console: Console
) -> None:
    sockets.on_heard(device.receive)
    began = time.monotonic()
    for number in range(datagrams):
        data, socket = device.next()
        sockets.send(data, socket)
        platform.seen.datagrams, platform.seen.seconds = number + 1, time.monotonic() - began
        if number % _BURST == 0:
            await sockets.ping(_DEADLINE)
        if number % _PER_COMMAND == 0:
            await platform.ask_hostile(number // _PER_COMMAND)
        if number % _PER_CLOSE == 0:
            await platform.close_hostile()
        if number % (datagrams // 50 or 1) == 0:
            console.print(f"{number} datagrams, outcomes {platform.seen.ended}", style="dim")


class _Platform:
    """The rest of the platform: asks, and reads what the gateway says."""

    def __init__(self, producer: Producer, hostile: str, honest: str) -> None:
        self.seen = Seen()
        self._producer = producer
        self._hostile = hostile
        self._honest = honest
        self._task_id = new_id()
        self._attempt = 1
        self._epochs: dict[str, int] = {}
        self._asked_at: dict[str, float] = {}
        self._news = asyncio.Event()
        self._requests: tuple[tuple[DeviceRequest, ...], ...] = (
            (Read(path="/3/0/3"), Read(path="/4/0")),
            (Observe(path=_STATE),),
            (
                Observe(path=_STATE),
                WritePackageUri(image_id=new_id(), image_size=65_536, not_after=now() + timedelta(days=1)),
            ),
            (Read(path=_STATE), Read(path="/5/0/5")),
            (Execute(path="/5/0/2"),),
            (Read(path="/3/0/3"), Read(path="/4/0")),
            (Observe(path=_STATE),),
            (Read(path=_STATE), Read(path="/5/0/5")),
            (Execute(path="/3/0/4"),),
            (CancelObserve(path=_STATE),),
        )

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Read what the gateway publishes, until cancelled."""
        async for record in consumer:
            event = DECODER.decode(record.value)
            if isinstance(event, DeviceUplink):
                self._epochs[event.device_id] = event.epoch
            elif isinstance(event, CommandOutcome):
                self._take(event)

    async def ask_honest(self) -> None:
        """Ask the honest device again and again, until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS_PER_READ)
            if self._honest in self._epochs:
                await self._ask(self._honest, self._requests[0], _DEADLINE)

    async def ask_hostile(self, number: int) -> None:
        """Ask the hostile device for one thing after the other, unless it is being asked enough."""
        if self._hostile in self._epochs and self.seen.asked - sum(self.seen.ended.values()) < _AT_ONCE:
            self.seen.asked += 1
            await self._ask(self._hostile, self._requests[number % len(self._requests)], _EXPIRES)

    async def close_hostile(self) -> None:
        """Close its attempt and begin the next one."""
        close = CloseDownload(
            app_id=_APP,
            occurred_at=now(),
            device_id=self._hostile,
            command_id=new_id(),
            execution_id=execution_id(self._task_id, self._hostile),
            attempt=self._attempt,
            is_awaited=False,
        )
        self._attempt += 1
        await self._producer.publish(LWM2M_COMMANDS, close.device_id, close, partition=0)

    async def end(self, asking: asyncio.Task[None]) -> None:
        """Ask no more, and wait for the outcomes of the honest device."""
        asking.cancel()
        await asyncio.wait((asking,))
        with suppress(TimeoutError):
            async with asyncio.timeout(_DEADLINE):
                while self._asked_at:
                    self._news.clear()
                    await self._news.wait()

    async def _ask(self, device_id: str, requests: tuple[DeviceRequest, ...], seconds: float) -> None:
        command = DeviceRequests(
            app_id=_APP,
            occurred_at=now(),
            device_id=device_id,
            command_id=new_id(),
            execution_id=execution_id(self._task_id, device_id),
            attempt=self._attempt,
            epoch=self._epochs[device_id],
            expires_at=now() + timedelta(seconds=seconds),
            requests=requests,
        )
        if device_id == self._honest:
            self.seen.honest_asked += 1
            self._asked_at[command.command_id] = time.monotonic()
        await self._producer.publish(LWM2M_COMMANDS, device_id, command, partition=0)

    def _take(self, outcome: CommandOutcome) -> None:
        if outcome.device_id == self._hostile:
            self.seen.ended[outcome.status.value] = self.seen.ended.get(outcome.status.value, 0) + 1
        elif outcome.status is OutcomeStatus.DONE:
            asked_at = self._asked_at.pop(outcome.command_id)
            self.seen.honest_done.append((time.monotonic() - asked_at) * 1_000)
            self._news.set()

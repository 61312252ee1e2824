"""`bench mqtt`: version queries to thousands of connected MQTT devices, and what a device's message costs the gateway.

A real broker, gateway, Kafka and MongoDB-wire server. First each device logs in; then each is asked for its version
once, from the command's way into `mqtt-commands` to the receipt of the event from `device-events`; then they report
unasked, at a steady rate. The gateway acknowledges a message to the broker after Kafka has it. Lost is what was
published and never came. The target is met only at the rate that was asked for.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from sluice_bench.mqtt_devices import MqttDevices, endpoints
from sluice_common.bus import Producer
from sluice_common.ids import execution_id
from sluice_common.messages.mqtt_commands import QueryVersion
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS, MQTT_COMMANDS
from sluice_demo.appserver import AppServer, MqttFleet
from sluice_demo.devices import DevicesError
from sluice_demo.report import percentile
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT, MQTT_GATEWAY
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

TARGET_US: Final = 150.0
"""Most processor time of the gateway per message, µs."""
_LEAST_RATE: Final = 0.95
"""Share of the asked rate that must have been reached."""
_API: Final = "api"
_SERVICES: Final = (KAFKA, MONGODB, MQTT, _API, MQTT_GATEWAY)
_ONLINE_DEADLINE, _EVENTS_DEADLINE = 300.0, 120.0
_QUIET: Final = 15.0
"""Seconds without a further event after which the rest counts as lost."""
_REPORT: Final = "version_reported"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--devices", type=int, default=5000, help="connected devices")
    parser.add_argument("--queries", type=float, default=500.0, help="version queries per second")
    parser.add_argument("--rate", type=float, default=2000.0, help="reports per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long they report")
    parser.add_argument("--port-base", type=int, default=19_300, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run it and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "mqtt", port_base=options.port_base)
    reset(settings)
    with Stack(settings, services=_SERVICES, progress=lambda text: console.print(text, style="dim")) as stack:
        return asyncio.run(_figures(stack, options, console))


async def _figures(stack: Stack, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    async with AppServer.register(stack.endpoints.api, stack.endpoints.admin_password) as server:
        await server.add_mqtt_product()
        identities = await server.add_mqtt_fleet(MqttFleet(endpoints(options.devices), []))
    broker = stack.endpoints.mqtt
    if broker is None:
        raise DevicesError("the system has no MQTT broker")
    console.print(f"{len(identities)} devices are created; they log in.", style="dim")
    async with MqttDevices(broker, identities) as devices, _listener(stack.endpoints.kafka_bootstrap) as listener:
        with _spent(stack) as log_in:
            await _until_online(devices, len(identities))
        console.print("All are online; each is asked for its version.", style="dim")
        ids = [identity.device_id for identity in identities.values()]
        with _spent(stack) as query:
            latencies = await _query(stack.endpoints.kafka_bootstrap, listener, ids, options.queries)
        console.print(f"They report, {options.rate:g} per second.", style="dim")
        with _spent(stack) as report:
            sent, took = await devices.report(options.rate, options.seconds)
            arrived = await listener.count(sent)
    per_message = report[MQTT_GATEWAY] / max(arrived, 1) * 1e6
    lost = len(ids) - len(latencies) + sent - arrived
    return {
        "devices": len(ids),
        "log_in_cpu_ms_per_device": _each(log_in, len(ids), 1e3),
        "queries_per_second": options.queries,
        "queries_lost": len(ids) - len(latencies),
        "command_to_event_ms_p50": round(percentile(latencies, 0.5), 1) if latencies else None,
        "command_to_event_ms_p99": round(percentile(latencies, 0.99), 1) if latencies else None,
        "query_cpu_ms_per_device": _each(query, len(ids), 1e3),
        "reports": sent,
        "reports_per_second": round(sent / took, 1),
        "reports_lost": sent - arrived,
        "report_cpu_us_per_message": _each(report, max(arrived, 1), 1e6),
        "gateway_us_per_message": round(per_message, 1),
        "target_us": TARGET_US,
        "met": is_met(per_message, lost, sent / took, options.rate),
    }


def is_met(per_message: float, lost: int, reached: float, asked: float) -> bool:
    """Return whether the target is met.

    Args:
        per_message: Processor time of the gateway, µs.
        lost: Messages that never came.
        reached: Reports per second that the devices sent.
        asked: Reports per second that they should have sent.
    """
    return per_message <= TARGET_US and lost == 0 and reached >= _LEAST_RATE * asked


def _each(spent: Mapping[str, float], count: int, factor: float) -> dict[str, float]:
    return {name: round(seconds / count * factor, 2) for name, seconds in spent.items() if name != _API}


@contextmanager
def _spent(stack: Stack) -> Iterator[dict[str, float]]:
    """Yield a dictionary that holds the processor time of each process once the block has ended."""
    before, spent = stack.cpu_seconds(), dict[str, float]()
    yield spent
    spent.update({name: after - before.get(name, 0.0) for name, after in stack.cpu_seconds().items()})


async def _until_online(devices: MqttDevices, expected: int) -> None:
    until = time.monotonic() + _ONLINE_DEADLINE
    while (online := await devices.online()) < expected:
        if time.monotonic() > until:
            raise DevicesError(f"only {online} of {expected} devices could log in")
        await asyncio.sleep(1.0)
    await asyncio.sleep(2.0)  # the last words about their presence


class _Event(msgspec.Struct):
    type: str
    device_id: str


class _Listener:
    """Version reports as they stand in `device-events`, from now on."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def reports(self, expected: int) -> AsyncIterator[tuple[str, float]]:
        """Yield device and time of receipt (seconds since 1970) until all are there or none comes."""
        seen, quiet, until = 0, time.monotonic(), time.monotonic() + _EVENTS_DEADLINE
        while seen < expected and time.monotonic() < min(until, quiet + _QUIET):
            batch, received = await self._consumer.getmany(timeout_ms=200), time.time()
            for records in batch.values():
                quiet = time.monotonic()
                for record in records:
                    event = msgspec.json.decode(record.value, type=_Event)
                    if event.type == _REPORT:
                        seen += 1
                        yield event.device_id, received

    async def count(self, expected: int) -> int:
        """Return how many have come, once all are there or none comes any more."""
        count = 0
        async for _ in self.reports(expected):
            count += 1
        return count


@asynccontextmanager
async def _listener(bootstrap: str) -> AsyncIterator[_Listener]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, check_crcs=False)
    async with started(consumer):
        partitions = [TopicPartition(DEVICE_EVENTS.name, p) for p in range(CommonSettings().partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)  # seeking is lazy
        yield _Listener(consumer)


async def _query(bootstrap: str, listener: _Listener, device_ids: list[str], per_second: float) -> list[float]:
    """Ask each device once; return the milliseconds of those that answered, in ascending order."""
    asked: dict[str, float] = {}
    asking = asyncio.create_task(_ask(bootstrap, device_ids, per_second, asked))
    latencies = []
    async for device_id, at in listener.reports(len(device_ids)):
        if device_id in asked:
            latencies.append((at - asked.pop(device_id)) * 1000)
    await asking
    return sorted(latencies)


async def _ask(bootstrap: str, device_ids: list[str], per_second: float, asked: dict[str, float]) -> None:
    begin, task_id = time.monotonic(), secrets.token_hex(12)
    async with started(Producer(CommonSettings(kafka_bootstrap=bootstrap))) as producer:
        for number, device_id in enumerate(device_ids):
            ahead = number / per_second - (time.monotonic() - begin)
            if ahead > 0:
                await asyncio.sleep(ahead)
            asked[device_id] = time.time()
            await producer.send(MQTT_COMMANDS, device_id, _query_of(device_id, task_id))


def _query_of(device_id: str, task_id: str) -> QueryVersion:
    now = datetime.now(UTC)
    return QueryVersion(
        app_id="bench",
        occurred_at=now,
        device_id=device_id,
        command_id=secrets.token_hex(8),
        execution_id=execution_id(task_id, device_id),
        attempt=1,
        expires_at=now + timedelta(minutes=10),
    )

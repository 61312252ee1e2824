"""`bench expiry`: how soon the scheduler knows of registrations that have ended, all at once.

So it is after an outage that was longer than the lifetimes: a gateway starts, finds that all its registrations have
ended meanwhile, and tells of each, with its record in Kafka first.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from rich.console import Console

from sluice_common.bus import Producer, acknowledged
from sluice_common.messages.base import now
from sluice_common.messages.registrations import Registration
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS, REGISTRATIONS
from sluice_embedded.domain.services import KAFKA, MONGODB
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

_GATEWAY: Final = "lwm2m-gateway"
_AT_ONCE: Final = 1_000
_LIFETIME: Final = 60
_ENDED: Final = b'"type":"device_deregistered"'
_DEADLINE: Final = 1_800.0
TARGET_SECONDS: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--devices", type=int, default=100_000, help="whose lifetimes have ended")
    parser.add_argument("--port-base", type=int, default=19_600, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run it and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "expiry", port_base=options.port_base)
    reset(settings)
    with Stack(
        settings, services=(KAFKA, MONGODB, _GATEWAY), progress=lambda text: console.print(text, style="dim")
    ) as stack:
        stack.stop_service(_GATEWAY)
        common = CommonSettings(kafka_bootstrap=stack.endpoints.kafka_bootstrap)
        asyncio.run(_register(common, options.devices))
        console.print(f"{options.devices} registrations have ended.", style="dim")
        stack.start_service(_GATEWAY)
        seconds = asyncio.run(_seconds_until_told(common, options.devices))
        cpu = stack.cpu_seconds()[_GATEWAY]
    return {
        "devices": options.devices,
        "seconds": round(seconds, 1),
        "cpu_ms_per_device_with_start": round(cpu * 1_000 / options.devices, 3),
        "met": seconds <= TARGET_SECONDS,
    }


async def _register(common: CommonSettings, devices: int) -> None:
    async with started(Producer(common)) as producer:
        sent = []
        for registration in _registrations(devices):
            sent.append(await producer.send(REGISTRATIONS, registration.device_id, registration))
            if len(sent) == _AT_ONCE:
                await acknowledged(sent)
                sent.clear()
        await acknowledged(sent)


def _registrations(devices: int) -> Iterator[Registration]:
    """Yield registrations that ended an hour ago."""
    at = now() - timedelta(hours=1)
    for number in range(devices):
        yield Registration(
            app_id="bench",
            occurred_at=at,
            device_id=f"{number:024x}",
            endpoint=f"bench-{number}",
            address=f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:40000",
            gateway=0,
            epoch=1,
            location=f"bench{number}",
            lifetime=_LIFETIME,
            expires_at=at,
        )


async def _seconds_until_told(common: CommonSettings, devices: int) -> float:
    """Return the seconds from the first registration that has ended to the last."""
    consumer = AIOKafkaConsumer(
        DEVICE_EVENTS.name, bootstrap_servers=common.kafka_bootstrap, auto_offset_reset="earliest", check_crcs=False
    )
    ended, first = 0, 0.0
    async with started(consumer), asyncio.timeout(_DEADLINE):
        while ended < devices:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                ended += sum(_ENDED in record.value for record in records)
            first = first or (time.monotonic() if ended else 0.0)
    return time.monotonic() - first

"""`bench download`: images over HTTP to many clients at once, by the gateway and by nginx side by side.

Every client has its own device, attempt and token, and fetches the whole image in one GET; the image lies in GridFS.
nginx (Debian's, one worker, sendfile) serves the same bytes from a file to the same clients. Clients run in a process
of their own; a machine with few cores gives part of them to it. Then as many devices as are asked for hold a download
of 64 KiB open and take nothing: what they cost the gateway while nothing happens.
"""

import argparse
import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from sluice_bench import nginx
from sluice_bench.http_clients import Fetched, fetch_all
from sluice_bench.idle_clients import open_downloads
from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.mqtt_commands import OfferFirmware
from sluice_common.messages.snapshots import PackageSnapshot
from sluice_common.mongo import IMAGE_BUCKET, bucket, connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_common.topics import MQTT_COMMANDS
from sluice_demo.client import PlatformError
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT, MQTT_GATEWAY
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack
from sluice_simulator.mqtt.http import Source

_MIB: Final = 1024 * 1024
_SERVICES: Final = (KAFKA, MONGODB, MQTT, MQTT_GATEWAY)
_NGINX_PORT: Final = 95
"""Offset of nginx's port."""
_READ_SECONDS: Final = 3.0
"""For the gateway to read the offers."""
_VERSION: Final = "2.0.0"
_IDLE_BYTES: Final = 65_536
_SETTLE_SECONDS, _IDLE_SECONDS = 20.0, 20.0
_IDLE_TARGET: Final = 2.0
"""Most processor time that open, idle downloads cost the gateway, percent of a core."""


@dataclass(frozen=True)
class Image:
    """An image in GridFS."""

    image_id: str
    data: bytes
    sha256: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--clients", type=int, default=500, help="that download at once")
    parser.add_argument("--mib", type=int, default=4, help="size of the image, MiB")
    parser.add_argument("--idle", type=int, default=1_000, help="downloads that are open and idle")
    parser.add_argument("--port-base", type=int, default=19_400, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run it and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "download", port_base=options.port_base)
    reset(settings)
    image, small = _image(options.mib * _MIB), _image(_IDLE_BYTES)
    with Stack(settings, services=_SERVICES, progress=lambda text: console.print(text, style="dim")) as stack:
        sources = asyncio.run(_offer(stack, settings, image, options.clients))
        console.print(f"{options.clients} clients fetch {options.mib} MiB each from the gateway.", style="dim")
        fetch_all(sources[:1])  # warms up
        gateway = _measured(sources, lambda: stack.cpu_seconds()[MQTT_GATEWAY])
        console.print(f"{options.idle} clients hold a download open.", style="dim")
        idle = asyncio.run(_idle(stack, settings, small, options.idle))
    peer = _nginx(settings, image, options, console)
    met = gateway["whole"] == options.clients and idle["cpu_percent"] < _IDLE_TARGET
    if peer is None:
        return {"gateway": gateway, "idle": idle, "nginx": "not installed", "ratio": None, "met": met}
    ratio = {
        "speed": round(gateway["mib_per_second"] / peer["mib_per_second"], 2),
        "cpu": round(gateway["cpu_ms_per_mib"] / max(peer["cpu_ms_per_mib"], 1e-6), 1),
    }
    return {"gateway": gateway, "idle": idle, "nginx": peer, "ratio": ratio, "met": met}


def _image(size: int) -> Image:
    data = secrets.token_bytes(size)
    return Image(new_id(), data, hashlib.sha256(data).hexdigest())


async def _idle(stack: Stack, settings: EmbeddedSettings, image: Image, number: int) -> dict[str, Any]:
    sources = await _offer(stack, settings, image, number)
    without = await _cpu_percent(stack)
    async with open_downloads(sources):
        await asyncio.sleep(_SETTLE_SECONDS)
        percent = await _cpu_percent(stack)
    return {
        "downloads": number,
        "cpu_percent": round(percent - without, 2),
        "cpu_percent_without": round(without, 2),
        "target_percent": _IDLE_TARGET,
    }


async def _cpu_percent(stack: Stack) -> float:
    before = stack.cpu_seconds()[MQTT_GATEWAY]
    await asyncio.sleep(_IDLE_SECONDS)
    return 100 * (stack.cpu_seconds()[MQTT_GATEWAY] - before) / _IDLE_SECONDS


def _measured(sources: list[Source], cpu_seconds: Callable[[], float]) -> dict[str, Any]:
    before = cpu_seconds()
    fetched: Fetched = fetch_all(sources)
    mib = fetched.received / _MIB
    return {
        "clients": len(sources),
        "whole": fetched.whole,
        "mib": round(mib, 1),
        "seconds": round(fetched.seconds, 2),
        "mib_per_second": round(mib / fetched.seconds, 1),
        "cpu_ms_per_mib": round((cpu_seconds() - before) * 1000 / max(mib, 1e-6), 3),
        "errors": fetched.errors[:5],
    }


def _nginx(
    settings: EmbeddedSettings, image: Image, options: argparse.Namespace, console: Console
) -> dict[str, Any] | None:
    program = nginx.find()
    if program is None:
        console.print("nginx is not installed: nothing to hold the figures against.", style="yellow")
        return None
    folder, port = Path(settings.state_dir) / "nginx", options.port_base + _NGINX_PORT
    (folder / "root").mkdir(parents=True, exist_ok=True)
    (folder / "root" / "image.bin").write_bytes(image.data)
    console.print("The same from nginx.", style="dim")
    source = Source(f"http://127.0.0.1:{port}/image.bin", "none", len(image.data))
    with nginx.serving(program, folder, port) as master:
        fetch_all([source])
        return _measured([source] * options.clients, lambda: nginx.cpu_seconds(master))


async def _offer(stack: Stack, settings: EmbeddedSettings, image: Image, clients: int) -> list[Source]:
    """Store the image, offer it to as many devices, and return what each fetches."""
    common = CommonSettings(
        kafka_bootstrap=stack.endpoints.kafka_bootstrap,
        mongodb_uri=stack.endpoints.mongodb_uri,
        mongodb_database=stack.endpoints.mongodb_database,
    )
    async with connect(common) as database:
        await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image.image_id, "image.bin", image.data)
    signer = TokenSigner(secrets_of(settings).download_token_key.encode())
    downloads = stack.endpoints.downloads
    if downloads is None:
        raise PlatformError("the system serves no downloads")
    sources = []
    async with started(Producer(common)) as producer:
        for _ in range(clients):
            offer = offer_for(new_id(), new_id(), image)
            await producer.send(MQTT_COMMANDS, offer.device_id, offer)
            sources.append(source_of(offer, signer, downloads))
    await asyncio.sleep(_READ_SECONDS)
    return sources


def offer_for(device_id: str, task_id: str, image: Image) -> OfferFirmware:
    """Return the offer of an image to a device, good for six hours."""
    end = datetime.fromtimestamp(int(time.time()), UTC) + timedelta(hours=6)
    package = PackageSnapshot(
        package_id=image.image_id,
        version=_VERSION,
        image_id=image.image_id,
        image_size=len(image.data),
        image_sha256=image.sha256,
    )
    return OfferFirmware(
        app_id="bench",
        occurred_at=datetime.now(UTC),
        device_id=device_id,
        command_id=secrets.token_hex(8),
        execution_id=execution_id(task_id, device_id),
        attempt=1,
        expires_at=end,
        package=package,
        not_after=end,
    )


def source_of(offer: OfferFirmware, signer: TokenSigner, downloads: str) -> Source:
    """Return what the device fetches that has an offer.

    Args:
        offer: The offer.
        signer: Signs with the platform's key.
        downloads: Root of the gateway's downloads.
    """
    task_id = offer.execution_id.partition(":")[0]
    not_after = int(offer.not_after.timestamp())
    token = ImageToken(offer.device_id, task_id, offer.package.image_id, offer.attempt, not_after)
    url = f"{downloads}/downloads/{offer.device_id}/{task_id}/{offer.attempt}/{_VERSION}.bin"
    return Source(url, signer.sign(token), offer.package.image_size)

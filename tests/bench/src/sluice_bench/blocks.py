"""`bench blocks`: images by CoAP to many clients at once, by the gateway and by libcoap's server side by side.

Every client of the gateway has its own device, attempt and token; both serve the same image, to the same clients, in
blocks of 512 and of 1,024 bytes. libcoap's server is started afresh for each run. Clients run in a process of their
own.
"""

import argparse
import asyncio
import secrets
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console

from sluice_bench import libcoap
from sluice_bench.coap_clients import Source, fetch_all
from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_common.mongo import IMAGE_BUCKET, bucket, connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_common.topics import REGISTRATIONS
from sluice_embedded.adapters import processes
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.domain.services import KAFKA, MONGODB
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

_GATEWAY: Final = "lwm2m-gateway"
_PEER_PORT: Final = 96
"""Offset of the port of libcoap's server."""
_EXPONENTS: Final = {512: 5, 1_024: 6}
_TARGET: Final = 0.9
_HOURS: Final = timedelta(hours=6)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--clients", type=int, nargs="+", default=[50, 500], help="that download at once")
    parser.add_argument("--kib", type=int, default=256, help="size of the image, KiB")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--port-base", type=int, default=19_500, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run it and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "blocks", port_base=options.port_base)
    reset(settings)
    data, image_id = secrets.token_bytes(options.kib * 1_024), new_id()
    with Stack(
        settings, services=(KAFKA, MONGODB, _GATEWAY), progress=lambda text: console.print(text, style="dim")
    ) as stack:
        stack.stop_service(_GATEWAY)
        sources = asyncio.run(_register(stack, settings, image_id, data, max(options.clients)))
        stack.start_service(_GATEWAY)
        file = Path(settings.state_dir) / "image.bin"
        file.write_bytes(data)
        programs = libcoap.find()
        if programs is None:
            console.print("libcoap3-bin is not installed: nothing to hold the figures against.", style="yellow")
        peer = Source("127.0.0.1", options.port_base + _PEER_PORT, sources[0].path)
        cells = {}
        for size, exponent in _EXPONENTS.items():
            for clients in options.clients:
                console.print(f"{clients} clients, blocks of {size} bytes.", style="dim")
                rounds = []
                for _ in range(options.rounds):
                    mine = _micros(sources[:clients], exponent, lambda: stack.cpu_seconds()[_GATEWAY])
                    theirs = None if programs is None else _peer(programs, file, [peer] * clients, exponent)
                    rounds.append((mine, theirs))
                cells[f"{clients} clients, {size} bytes"] = _cell(rounds)
    met = all(cell["ratio"] is None or cell["ratio"] <= _TARGET for cell in cells.values())
    return {"cpu_us_per_block": cells, "met": met}


def _cell(rounds: list[tuple[float, float | None]]) -> dict[str, Any]:
    """Return the medians; the ratio is of what was measured next to each other."""
    theirs = [peer for _, peer in rounds if peer is not None]
    return {
        "gateway": round(statistics.median(mine for mine, _ in rounds), 1),
        "libcoap": round(statistics.median(theirs), 1) if theirs else None,
        "ratio": round(statistics.median(mine / peer for mine, peer in rounds if peer), 2) if theirs else None,
    }


def _peer(programs: tuple[str, str], file: Path, sources: list[Source], exponent: int) -> float:
    with libcoap.serving(programs, sources[0].port, sources[0].path, file) as process:
        return _micros(sources, exponent, lambda: processes.cpu_seconds(process.pid))


def _micros(sources: list[Source], exponent: int, cpu_seconds: Callable[[], float]) -> float:
    """Return the server's processor time per block, in microseconds."""
    before = cpu_seconds()
    fetched = fetch_all(sources, exponent)
    used = cpu_seconds() - before
    if fetched.whole < len(sources):
        raise TimeoutError
    return used * 1e6 / fetched.blocks


async def _register(stack: Stack, settings: EmbeddedSettings, image_id: str, data: bytes, clients: int) -> list[Source]:
    """Store the image and as many registrations with an attempt, for the gateway to read when it starts."""
    common = CommonSettings(
        kafka_bootstrap=stack.endpoints.kafka_bootstrap,
        mongodb_uri=stack.endpoints.mongodb_uri,
        mongodb_database=stack.endpoints.mongodb_database,
    )
    async with connect(common) as database:
        await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image.bin", data)
    signer = TokenSigner(secrets_of(settings).image_token_key.encode())
    gateway = urlsplit(stack.endpoints.coap[0])
    sources = []
    async with started(Producer(common)) as producer:
        for number in range(clients):
            token = ImageToken(new_id(), new_id(), image_id, 1, int(time.time() + _HOURS.total_seconds()))
            await producer.send(REGISTRATIONS, token.device_id, _registration(token, number))
            sources.append(Source(gateway.hostname or "", gateway.port or 0, f"/fw/{signer.sign(token)}"))
    return sources


def _registration(token: ImageToken, number: int) -> Registration:
    now = datetime.now(UTC)
    return Registration(
        app_id="bench",
        occurred_at=now,
        device_id=token.device_id,
        endpoint=f"bench-{number}",
        address=f"127.0.0.1:{number + 1}",
        gateway=0,
        epoch=1,
        location=f"l{number}",
        lifetime=int(_HOURS.total_seconds()),
        expires_at=now + _HOURS,
        current_attempt=AttemptRef(execution_id=execution_id(token.task_id, token.device_id), attempt=1),
    )

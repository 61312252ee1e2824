"""What a simulated device costs: `python -m sluice_simulator.figures` prints it as JSON.

The trial server runs in a process of its own; only the simulator's CPU is counted.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
import timeit
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import aiocoap
import uvloop

from sluice_simulator import packet as coap
from sluice_simulator.fleet import Tuning
from sluice_simulator.plan import PlanOptions, make_plan
from sluice_simulator.run import Fleet

_PATIENT: Final = Tuning(ack_timeout=4.0)
"""The trial server is slower than the devices: what waits in its queue must not be sent again."""
_GIVE_UP_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 1.0  # looking at every device costs, too
_MICRO_ROUNDS: Final = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a simulated device costs.")
    parser.add_argument("--port", type=int, default=22_010, help="of the trial server")
    parser.add_argument("--upgrades", type=int, default=200, help="devices that upgrade")
    parser.add_argument("--image-bytes", type=int, default=65_536, help="that each downloads")
    parser.add_argument("--idle", type=int, default=5_000, help="devices that only stay registered")
    options = parser.parse_args()
    figures = {
        "machine": f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}",
        "codec": _codec(),
        "idle": uvloop.run(_idle(options.port, options.idle)),
        "upgrade": uvloop.run(_upgrades(options.port, options.upgrades, options.image_bytes)),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


@contextlib.asynccontextmanager
async def _server(port: int, *arguments: str) -> AsyncIterator[str]:
    module = "sluice_simulator.trial_server"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "--port", str(port), *arguments, stdout=subprocess.PIPE
    )
    try:
        if process.stdout is not None:
            await process.stdout.readline()  # it says when it listens
        yield f"coap://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _upgrades(port: int, devices: int, image_bytes: int) -> dict[str, Any]:
    options = PlanOptions(devices=devices, cells=1, failing=0.0, uniform=True, update_seconds=0.0, reboot_seconds=0.0)
    arguments = ("--image-bytes", str(image_bytes), "--wait-for", str(devices))
    async with _server(port, *arguments) as server:
        fleet = Fleet(make_plan(options, _PATIENT), server, starts_per_second=100.0)
        await fleet.start()
        await _until(lambda: fleet.counts().registered == devices)
        before = time.process_time()
        await _until(lambda: fleet.counts().updated == devices)
        used = time.process_time() - before
        await fleet.stop()
    return {
        "devices": devices,
        "image_bytes": image_bytes,
        "cpu_ms_per_upgrade": round(1000 * used / devices, 2),
    }


async def _idle(port: int, devices: int) -> dict[str, Any]:
    options = PlanOptions(devices=devices, cells=40, failing=0.0, report_seconds=20.0)
    before_kib = _rss_kib()
    async with _server(port, "--wait-for", str(devices + 1)) as server:
        fleet = Fleet(make_plan(options, _PATIENT), server, starts_per_second=150.0)
        used = time.process_time()
        await fleet.start()
        await _until(lambda: fleet.counts().registered == devices)
        registering = time.process_time() - used
        rss_kib = _rss_kib() - before_kib
        await fleet.stop()
    return {
        "devices": devices,
        "rss_mib": round(rss_kib / 1024, 1),
        "rss_kib_per_device": round(rss_kib / devices, 2),
        "cpu_us_per_registration": round(1e6 * registering / devices),
        "open_files_allowed": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def _codec() -> dict[str, float]:
    """Microseconds to encode the GET of a block and decode its answer, here and with aiocoap's codec."""
    prefix = coap.encode_options(coap.path_options("/fw/token"))
    answer = aiocoap.Message(code=aiocoap.CONTENT, payload=bytes(1024), block2=(9, True, 6))
    answer.mtype, answer.mid, answer.token = aiocoap.ACK, 7, b"1234"
    data = answer.encode()

    def own() -> None:
        tail = coap.encode_options([(coap.BLOCK2, b"\x96")], after=coap.URI_PATH)
        coap.encode(coap.CON, coap.GET, 7, b"1234", options=prefix + tail)
        coap.decode(data)

    def other() -> None:
        get = aiocoap.Message(code=aiocoap.GET, uri_path=("fw", "token"), block2=(9, False, 6))
        get.mtype, get.mid, get.token = aiocoap.CON, 7, b"1234"
        get.encode()
        aiocoap.Message.decode(data)

    return {
        f"{name}_us_per_block": round(1e6 * timeit.timeit(run, number=_MICRO_ROUNDS) / _MICRO_ROUNDS, 2)
        for name, run in (("own", own), ("aiocoap", other))
    }


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(_GIVE_UP_SECONDS):
        while not reached():  # noqa: ASYNC110 - devices run on callbacks and set no event
            await asyncio.sleep(_POLL_SECONDS)


def _rss_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


if __name__ == "__main__":
    main()

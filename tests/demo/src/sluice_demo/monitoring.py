"""Prometheus beside a campaign: what the dashboards show of it, drawn when it is over.

Needs the program `prometheus` on the path.
"""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from rich.console import Console

from sluice_demo import dashboards
from sluice_demo.dashboards import Series
from sluice_demo.devices import DeviceProcess
from sluice_demo.run import SIMULATOR
from sluice_embedded.adapters.guardian import Guardian
from sluice_embedded.adapters.state import Endpoints
from sluice_embedded.domain.ports import CLIENT_HOST
from sluice_embedded.domain.services import PARTS, kind_of
from sluice_embedded.stack import Stack

_PROMETHEUS_PORT, _PARTS_PORT = 91, 92
"""Offsets from the system's lowest port."""
_START_DEADLINE, _QUERY_DEADLINE = 30.0, 60.0
_POINTS = 400
"""At most so many of each curve."""
_INTERVALS_OF_A_RATE = 4
"""Scrapes over which a rate is taken, as Grafana does it."""


class NoPrometheusError(Exception):
    """The program is not there, or does not serve."""


class PartsCollector(Collector):
    """Processor time and memory of what has no metrics of its own: Kafka, database, broker, simulated devices.

    Args:
        pids: Returns the process id of each by name.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the figures of those that live, under the names that processes in Python give to theirs."""
        seconds = CounterMetricFamily(
            "process_cpu_seconds", "User and system time, seconds.", labels=["service", "instance"]
        )
        memory = GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory, bytes.", labels=["service", "instance"]
        )
        for name, pid in self._pids().items():
            try:
                process = psutil.Process(pid)
                times, rss = process.cpu_times(), process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            seconds.add_metric([name, name], times.user + times.system)
            memory.add_metric([name, name], rss)
        yield from (seconds, memory)


class Monitoring:
    """Has Prometheus read all processes while a campaign runs, and draws the dashboards of it in the end.

    Args:
        folder: Where pictures are written.
        data: For Prometheus' own files.
        port_base: Lowest port of the system.
        interval: Seconds between two readings.
        console: Is told.

    Raises:
        NoPrometheusError: There is no such program on the path.
    """

    def __init__(self, folder: Path, data: Path, port_base: int, interval: float, console: Console) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise NoPrometheusError("there is no prometheus on the path (Debian: apt install prometheus)")
        self._program = program
        self._folder, self._data, self._interval, self._console = folder, data, interval, console
        self._address = f"{CLIENT_HOST}:{port_base + _PROMETHEUS_PORT}"
        self._parts_port = port_base + _PARTS_PORT

    async def __call__(self, stack: Stack, devices: DeviceProcess) -> None:
        """Read until cancelled, then draw."""

        def pids() -> dict[str, int]:
            parts = {s.name: s.pid for s in stack.services() if s.name in PARTS and s.pid is not None}
            return {**parts, SIMULATOR: devices.pid}

        registry = CollectorRegistry()
        registry.register(PartsCollector(pids))
        server, _ = await asyncio.to_thread(start_http_server, self._parts_port, CLIENT_HOST, registry)
        try:
            async with self._prometheus(stack.endpoints) as client:
                begin = time.time()
                try:
                    await asyncio.Event().wait()
                finally:
                    await self._draw(client, begin, time.time())
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()

    @asynccontextmanager
    async def _prometheus(self, endpoints: Endpoints) -> AsyncIterator[httpx.AsyncClient]:
        await asyncio.to_thread(shutil.rmtree, self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        file = self._data / "prometheus.yml"
        file.write_text(json.dumps(configuration(endpoints, f"{CLIENT_HOST}:{self._parts_port}", self._interval)))
        options = (f"--config.file={file}", f"--storage.tsdb.path={self._data / 'tsdb'}")
        guardian = Guardian()
        try:
            with (self._data / "prometheus.log").open("wb") as log:
                process = subprocess.Popen(  # noqa: ASYNC220, S603 - fork takes no time; no shell
                    [self._program, *options, f"--web.listen-address={self._address}"], stdout=log, stderr=log
                )
            guardian.watch(process.pid)
            async with httpx.AsyncClient(base_url=f"http://{self._address}", timeout=_QUERY_DEADLINE) as client:
                await self._until_ready(client)
                yield client
            process.terminate()
            await asyncio.to_thread(process.wait, _START_DEADLINE)
        finally:
            await asyncio.to_thread(guardian.close)

    async def _until_ready(self, client: httpx.AsyncClient) -> None:
        until = time.monotonic() + _START_DEADLINE
        while True:
            try:
                if (await client.get("/-/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > until:
                raise NoPrometheusError(f"Prometheus does not serve; see {self._data / 'prometheus.log'}")
            await asyncio.sleep(0.2)

    async def _draw(self, client: httpx.AsyncClient, begin: float, end: float) -> None:
        step = max(self._interval, (end - begin) / _POINTS)
        rate = max(_INTERVALS_OF_A_RATE * self._interval, step + self._interval)

        async def series(query: str) -> list[Series]:
            expression = query.replace("$__rate_interval", f"{rate:.0f}s")
            asked = {"query": expression, "start": str(begin), "end": str(end), "step": str(step)}
            answer = await client.post("/api/v1/query_range", data=asked)
            answer.raise_for_status()
            return [Series.of_answer(found, begin) for found in answer.json()["data"]["result"]]

        for board in dashboards.read_all():
            curves = {query: await series(query) for query in board.queries()}
            file = self._folder / f"{board.name}.png"
            await asyncio.to_thread(dashboards.draw, board, curves, end - begin, file)
        self._console.print(f"Dashboards: {self._folder}", highlight=False)


def configuration(endpoints: Endpoints, parts: str, interval: float) -> dict[str, object]:
    """Return Prometheus' configuration for the processes of a system on this machine.

    Args:
        endpoints: Name the processes and where their metrics are.
        parts: Where those of Kafka, database, broker and devices are, HOST:PORT.
        interval: Seconds between two readings.
    """
    targets = [
        {"targets": [httpx.URL(url).netloc.decode()], "labels": {"instance": name, "service": kind_of(name)}}
        for name, url in endpoints.metrics.items()
    ]
    read = {"scrape_interval": f"{interval:.0f}s", "scrape_timeout": f"{interval:.0f}s"}
    return {
        "global": read,
        "scrape_configs": [
            {"job_name": "sluice", "static_configs": targets},
            {"job_name": "parts", "honor_labels": True, "static_configs": [{"targets": [parts]}]},
        ],
    }


def _kind(name: str) -> str:
    return name.rstrip("0123456789").removesuffix("-")

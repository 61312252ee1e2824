"""What operators see of a campaign: every process is ready and has its metrics, and one device's way is one trace."""

import asyncio
import io
import re
from collections import defaultdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from sluice_api import metrics as api
from sluice_common.operations import process
from sluice_common.operations.metrics import Metric
from sluice_demo import scaled
from sluice_demo.campaign import Outcome
from sluice_demo.run import Place, run
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.adapters.state import Endpoints
from sluice_lwm2m import metrics as lwm2m
from sluice_mqtt import metrics as mqtt
from sluice_scheduler import metrics as scheduler
from sluice_signing import metrics as signing

DEVICES = 6
SERVICES = {"api", "relay", "devices", "cells", "lwm2m-gateway", "notifier"}
"""Those on the way of an LwM2M device, by the names that their spans give."""
ALL: tuple[Metric, ...] = (
    *process.METRICS,
    *api.METRICS,
    *scheduler.METRICS,
    *lwm2m.METRICS,
    *mqtt.METRICS,
    *signing.METRICS,
)
COUNTED = {
    "sluice_broker_hooks_total",
    "sluice_callback_seconds_count",
    "sluice_callbacks_total",
    "sluice_coap_messages_total",
    "sluice_download_bytes_total",
    "sluice_executions_ended_total",
    "sluice_http_request_seconds_count",
    "sluice_package_verdicts_total",
    "sluice_slots_granted_total",
    "sluice_step_transitions_total",
}
"""Those that a campaign has moved."""


class Collector:
    """A receiver of OTLP over HTTP: notes names of services and spans by trace."""

    def __init__(self) -> None:
        self.spans: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(collector.take(body) if self.path == "/v1/traces" else HTTPStatus.NOT_FOUND)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> HTTPStatus:
        """Note the spans of a request."""
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.trace_id.hex()].add((names["service.name"], span.name))
        return HTTPStatus.OK

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class Operator:
    """Asks every process at the end of the campaign."""

    def __init__(self) -> None:
        self.metrics: dict[str, str] = {}
        self.states: dict[str, tuple[int, str]] = {}
        self.live: set[int] = set()

    async def look(self, endpoints: Endpoints, _: Outcome) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            for name, url in endpoints.metrics.items():
                self.metrics[name] = (await http.get(url)).text
                ready = await http.get(url.replace("/metrics", "/ready"))
                self.states[name] = (ready.status_code, ready.text)
                self.live.add((await http.get(url.replace("/metrics", "/live"))).status_code)


async def until_followed(collector: Collector) -> set[tuple[str, str]]:
    """Return the spans of the trace that all services have a part of."""
    async with asyncio.timeout(60):
        while True:
            for spans in list(collector.spans.values()):
                if {service for service, _ in spans} >= SERVICES:
                    return spans
            await asyncio.sleep(0.1)


@pytest.mark.timeout(400)
async def test_operators_see_every_process_and_follow_a_device_from_the_call_to_the_callback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, operator = Collector(), Operator()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    scenario = scaled.scenario(devices=DEVICES, cells=1, seed=7, mqtt_devices=4)
    place = Place(free_base(), tmp_path / "system")
    try:
        await run(scenario, place, Console(file=io.StringIO()), afterwards=operator.look)
        spans = await until_followed(collector)
    finally:
        await asyncio.to_thread(collector.close)

    assert {name for service, name in spans if service == "api"} == {"POST /tasks"}
    assert {"request execution", "admit", "lwm2m command", "callback"} <= {name for _, name in spans}
    assert {code for code, _ in operator.states.values()} == {200}, operator.states
    assert operator.live == {200}
    seen = "\n".join(operator.metrics.values())
    assert {metric.name for metric in ALL} - set(
        re.findall(r"^# TYPE (sluice_\w+) ", seen, flags=re.MULTILINE)
    ) == set()
    counted = set(re.findall(r"^(sluice_\w+)(?:{.*})? [1-9]", seen, flags=re.MULTILINE))
    assert COUNTED - counted == set()
    assert all("process_cpu_seconds_total" in text for text in operator.metrics.values())
    ids = re.findall(r'"[^"]*[0-9a-f]{24}[^"]*"', seen)
    assert ids == [], "a label has an id"

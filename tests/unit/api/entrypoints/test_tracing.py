"""A request is a span, and what follows from it is below that and not below the caller's."""

import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from sluice_api.entrypoints.rest.timing import Timing
from sluice_api.entrypoints.rest.tracing import Tracing
from sluice_common import tracing

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def client() -> AsyncClient:
    app = FastAPI()
    app.add_middleware(Timing)
    app.add_middleware(Tracing)

    @app.get("/tasks/{task_id}")
    async def task(task_id: str, request: Request) -> str:
        if task_id == "broken":
            raise KeyError
        return request.headers.get("traceparent", "none")

    return AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://x")


async def test_what_a_request_causes_is_below_its_own_span(exporter: InMemorySpanExporter) -> None:
    async with client() as http:
        inner = (await http.get("/tasks/7", headers={"traceparent": CONTEXT})).json()
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /tasks/{task_id}"
    assert span.context is not None
    assert inner == f"{CONTEXT[:35]}-{span.context.span_id:016x}-01"
    assert dict(span.attributes or {}) == {"http.response.status_code": 200}


@pytest.mark.parametrize("header", ["nonsense", "00-xyz-1-01"])
async def test_a_caller_that_sends_no_context_begins_no_foreign_trace(
    exporter: InMemorySpanExporter, header: str
) -> None:
    async with client() as http:
        await http.get("/tasks/7", headers={"traceparent": header})
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


async def test_without_a_receiver_of_traces_the_context_of_the_caller_passes_through() -> None:
    async with client() as http:
        assert (await http.get("/tasks/7", headers={"traceparent": CONTEXT})).json() == CONTEXT
        assert (await http.get("/tasks/7")).json() == "none"


async def test_requests_are_timed_by_route_and_class_of_status_and_never_by_path() -> None:
    def count(route: str, status: str) -> float:
        labels = {"method": "GET", "route": route, "status": status}
        return REGISTRY.get_sample_value("sluice_http_request_seconds_count", labels) or 0.0

    before = count("/tasks/{task_id}", "2xx"), count("/tasks/{task_id}", "5xx"), count("none", "4xx")
    async with client() as http:
        for path in ("/tasks/7", "/tasks/8", "/tasks/broken", "/elsewhere"):
            await http.get(path)
    after = count("/tasks/{task_id}", "2xx"), count("/tasks/{task_id}", "5xx"), count("none", "4xx")
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1]

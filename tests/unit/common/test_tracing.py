"""Work makes a span where somebody wants it, below the call that caused it; else it costs a look."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sluice_common import tracing
from sluice_common.tracing import called, configure_tracing, is_configured, is_traced, only_first, record

TRACE, CALL = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
CONTEXT = f"00-{TRACE:032x}-{CALL:016x}-01"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def ids(span: ReadableSpan) -> tuple[int, int | None]:
    context = span.context
    assert context is not None
    return context.trace_id, None if span.parent is None else span.parent.span_id


def test_nothing_is_traced_unless_there_is_somebody_to_send_it_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    configure_tracing("test")
    assert not is_configured()
    assert not is_traced(CONTEXT)
    record("work", CONTEXT, 1.0)
    with called(CONTEXT) as call:
        assert call.traceparent == CONTEXT
    with called(None) as call:
        assert call.traceparent is None


def test_work_is_a_child_of_the_call_that_caused_it(exporter: InMemorySpanExporter) -> None:
    record("work", CONTEXT, 1_000.0, step="OBSERVE")
    (span,) = exporter.get_finished_spans()
    assert ids(span) == (TRACE, CALL)
    assert (span.name, span.start_time, dict(span.attributes or {})) == ("work", 1_000 * 10**9, {"step": "OBSERVE"})


@pytest.mark.parametrize("context", [None, CONTEXT[:-2] + "00"])
def test_work_that_no_call_has_caused_or_whose_trace_nobody_records_makes_no_span(
    exporter: InMemorySpanExporter, context: str | None
) -> None:
    record("work", context, 1.0)
    assert exporter.get_finished_spans() == ()


def test_a_call_begins_a_trace_for_what_follows_from_it(exporter: InMemorySpanExporter) -> None:
    with called(None) as call:
        call.name = "POST /tasks"
        record("work", call.traceparent, 1.0)
    work, span = exporter.get_finished_spans()
    assert span.name == "POST /tasks"
    assert span.parent is None
    assert span.context is not None
    assert ids(work) == (span.context.trace_id, span.context.span_id)


def test_a_call_goes_on_with_the_trace_of_its_caller(exporter: InMemorySpanExporter) -> None:
    with called(CONTEXT):
        pass
    (span,) = exporter.get_finished_spans()
    assert ids(span) == (TRACE, CALL)


def test_a_call_that_fails_has_a_span_too(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError), called(None):
        raise KeyError
    assert len(exporter.get_finished_spans()) == 1


def test_of_the_devices_of_a_task_only_the_first_are_recorded() -> None:
    assert [only_first(CONTEXT, number, 2) for number in range(3)] == [CONTEXT, CONTEXT, CONTEXT[:-2] + "00"]
    assert only_first(None, 7, 2) is None

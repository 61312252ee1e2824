"""Traces over OTLP: one device's way from the call of an app server through all services to the callback.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and then by OpenTelemetry's own environment variables. Messages carry
the trace context of the call that caused them, unchanged: so each piece of work is a child of that call, and they
stand side by side in the order of their times. What no call has caused, such as an uplink, has no trace of its own.

Of a task only the first few devices are traced (`only_first`): a campaign of a million would be one trace that nothing
can show. The others carry the same context with the flag that says so.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_SAMPLED = 1
"""Flag of a trace context whose trace is recorded (W3C Trace Context §3.3.2.1)."""
_NANOSECONDS = 1_000_000_000
_tracer: "Tracer | None" = None


def configure_tracing(service: str) -> None:
    """Send spans if there is somebody to send them to; the libraries are loaded only then.

    Args:
        service: Name of the service, unless `OTEL_SERVICE_NAME` says another.
    """
    global _tracer  # noqa: PLW0603 - one a process, as with logs
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    name = os.environ.get("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.namespace": "sluice"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("sluice")


def is_configured() -> bool:
    """Return whether spans are sent."""
    return _tracer is not None


def is_traced(traceparent: str | None) -> bool:
    """Return whether work under a trace context makes a span."""
    return _tracer is not None and traceparent is not None and bool(int(traceparent[-2:], 16) & _SAMPLED)


def record(name: str, traceparent: str | None, began: float, **attributes: str | float) -> None:
    """Record a piece of work that has just ended, as a child of the call that caused it; nothing if none did.

    Args:
        name: What was done: of a handful, ids are attributes.
        traceparent: Trace context of the message.
        began: Seconds since 1970.
        attributes: What the span says of it.
    """
    if not is_traced(traceparent) or _tracer is None:
        return
    span = _tracer.start_span(
        name, context=_context_of(traceparent), attributes=attributes, start_time=int(began * _NANOSECONDS)
    )
    span.end(time.time_ns())


@contextmanager
def called(traceparent: str | None) -> Iterator["Call"]:
    """Record a call from outside during the block: it begins a trace, or goes on with that of the caller."""
    call = Call(traceparent)
    try:
        yield call
    finally:
        call.end()


class Call:
    """A call from outside.

    Attributes:
        traceparent: Trace context for what follows from it.
        name: What it is called; to be set before its end, when its route is known.
        attributes: What its span says of it.
    """

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent
        self.name = "call"
        self.attributes: dict[str, str | int] = {}
        self._span: Any = None
        if _tracer is not None:
            from opentelemetry.trace import SpanKind  # noqa: PLC0415 - loaded where spans are sent

            self._span = _tracer.start_span(self.name, context=_context_of(traceparent), kind=SpanKind.SERVER)
            found = self._span.get_span_context()
            flags = f"{int(found.trace_flags):02x}"
            self.traceparent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{flags}"

    def end(self) -> None:
        """Note its end."""
        if self._span is not None:
            self._span.update_name(self.name)
            self._span.set_attributes(self.attributes)
            self._span.end()


def only_first(traceparent: str | None, number: int, limit: int) -> str | None:
    """Return the trace context of the device of that number in a task: recorded for the first few only."""
    if traceparent is None or number < limit:
        return traceparent
    return f"{traceparent[:-2]}00"


def _context_of(traceparent: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - loaded where spans are sent
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({} if traceparent is None else {"traceparent": traceparent})

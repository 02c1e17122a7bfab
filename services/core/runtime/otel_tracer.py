"""Traces by OpenTelemetry; see :mod:`.tracing`, which loads this where traces are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_HEADER: Final = "traceparent"


def to_collector(endpoint: str, *, process: str) -> OtelTracer:
    """Make the tracer of a process that sends to a collector, from a thread of its own."""
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return OtelTracer(BatchSpanProcessor(exporter), process=process)


class OtelTracer:
    """Hands every span that ends to an OpenTelemetry processor."""

    def __init__(self, processor: SpanProcessor, *, process: str) -> None:
        provider = TracerProvider(resource=Resource.create({"service.name": f"tonne-{process}"}))
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("tonne")

    @contextmanager
    def step(
        self, name: str, before: Sequence[str], attributes: dict[str, str | int]
    ) -> Iterator[None]:
        """Trace a step that continues the last of ``before`` and links the others."""
        contexts = [_PROPAGATOR.extract({_HEADER: step}) for step in before]
        links = [Link(get_current_span(context).get_span_context()) for context in contexts[:-1]]
        parent = contexts[-1] if contexts else None
        with self._tracer.start_as_current_span(name, parent, links=links, attributes=attributes):
            yield

    def traceparent(self) -> str | None:
        """Return the step in hand."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get(_HEADER)

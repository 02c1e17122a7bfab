"""A trace goes on from a message at the broker to the event that tells of its total."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from services.api.live.feed import LiveFeed
from services.api.live.listen import listen
from services.api.presence import Presence
from services.core.runtime import tracing
from services.core.runtime.otel_tracer import OtelTracer
from services.core.runtime.settings import Settings
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import notify
from services.core.store.database.connect import connect
from services.ingest import app as ingest
from services.ingest import stated_bounds
from tests import applying
from tests.contract.ingest.traffic import publish
from tests.integration.aggregator.looping import loop_over
from tests.patience import PATIENCE_S
from tests.services import Nats, as_login

FILE = """
facility: {id: linz, name: Linz works, timezone: UTC}
devices:
  - id: meter
    channels: [{id: e, quantity: energy, unit: kWh, kind: counter}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources: [{id: s, scope: 2, method: activity, input: meter.e, factor: f}]
"""


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.begin(OtelTracer(SimpleSpanProcessor(exporter), process="test"))
    yield exporter
    tracing.begin(None)


class Feed:
    """Stands for the live feed, which is told of facilities."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def changed(self, facility: str) -> None:
        self.changes.append(facility)

    def all_changed(self) -> None:
        self.changes.clear()


def finished_chain(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans from a message to an event, the last first, where all of them have ended."""
    by_id = {ids(span)[1]: span for span in spans.get_finished_spans()}
    for event in [span for span in by_id.values() if span.name == "api.event"]:
        way = [event]
        # an event may be over before the step that told of it
        while (parent := way[-1].parent) is not None and parent.span_id in by_id:
            way.append(by_id[parent.span_id])
        if parent is None and "ingest.commit" in {span.name for span in way}:
            return way
    return []


def ids(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


@pytest.mark.database
@pytest.mark.broker
async def test_from_a_message_to_the_event_of_its_total(
    spans: InMemorySpanExporter, database_url: str, nats: Nats
) -> None:
    applying.apply_text(database_url, FILE)
    shutdown = Shutdown()
    settings = Settings(
        database_url=SecretStr(as_login(database_url, "tonne_ingest")),
        mqtt_url=SecretStr(nats.url),
        ingest_metrics_port=0,
    )
    pipeline = ingest._compose(settings, shutdown, stated_bounds.bounds(settings), None)
    loop = loop_over(database_url, SteadyTime(), shutdown=shutdown)

    def aggregate() -> None:
        with connect(
            database_url, process="aggregator", role="tonne_aggregate", autocommit=True
        ) as connection:
            loop.run(connection)

    feed = Feed()
    listening = asyncio.create_task(
        listen(database_url, cast(LiveFeed, feed), Presence("home", database_url))
    )
    threads = [threading.Thread(target=pipeline.run), threading.Thread(target=aggregate)]
    for thread in threads:
        thread.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            number = 0
            while not (way := finished_chain(spans)):
                # until all of them listen
                number += 1
                reading = {"ts": time.time(), "values": {"e": number}}
                payload = json.dumps(reading).encode()
                await asyncio.to_thread(
                    publish, nats.port, [("emissions/linz/meter/readings", payload)]
                )
                await asyncio.sleep(0.3)
    finally:
        shutdown.request()
        for thread in threads:
            await asyncio.to_thread(thread.join, PATIENCE_S)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    assert [span.name for span in way] == [
        "api.event", "aggregator.tick", "ingest.commit", "ingest.batch",
    ]  # fmt: skip
    assert (way[0].attributes or {})["facility"] == "linz"
    assert "-" in str((way[-1].attributes or {})["batch"])
    assert "linz" in feed.changes


def test_a_step_of_several_continues_the_newest_and_links_the_others(
    spans: InMemorySpanExporter,
) -> None:
    steps = tracing.StepsBefore()
    for name in ("first", "second", "third"):
        with tracing.step(name):
            steps.note(f"7 {tracing.traceparent()}")
    with tracing.step("tick", steps.take("7"), facility="linz"):
        pass
    assert steps.take("7") == ()
    first, second, third, tick = spans.get_finished_spans()
    assert tick.parent is not None
    assert tick.parent.span_id == ids(third)[1]
    assert [link.context.span_id for link in tick.links] == [ids(first)[1], ids(second)[1]]


def test_what_is_remembered_of_steps_is_bounded() -> None:
    steps = tracing.StepsBefore()
    for number in range(20_000):
        steps.note(f"{number} step")
    for number in range(100):
        steps.note(f"19999 {number}")
    assert steps.take("0") == ()
    assert list(steps.take("19999")) == [str(number) for number in range(68, 100)]


@pytest.mark.database
def test_where_nothing_is_traced_nothing_is_made_or_told(database_url: str) -> None:
    assert not tracing.enabled()
    # the same object each time, which does nothing
    assert tracing.step("a", ["x"], facility="linz") is tracing.step("b")
    assert tracing.traceparent() is None
    with psycopg.connect(database_url, autocommit=True) as connection:
        notify.listen(connection, notify.TRACED_READINGS)
        notify.tell_step(connection.execute, notify.TRACED_READINGS, 7)
        connection.execute("SELECT 1")
        assert list(connection.notifies(timeout=0)) == []


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast(Any, sys.modules), "services.core.runtime.otel_tracer", None)
    monkeypatch.delattr("services.core.runtime.otel_tracer", raising=False)
    with pytest.raises(tracing.TracingError, match=r"install tonne\[otel\]"):
        tracing.configure(process="ingest", endpoint="http://127.0.0.1:1")
    tracing.configure(process="ingest", endpoint=None)
    assert not tracing.enabled()

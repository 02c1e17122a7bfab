"""How long a breach takes from its publication to a webhook, and what judging limits costs a tick.

Run by ``make bench``; writes ``.tonne/bench/alerts.json``. A facility of 1 000 sources has 10 000
thresholds of every kind that watches emissions. First a tick is timed in which every source
changed. Then the whole stack runs: meters publish at a fixed rate, now and then one of them a value
that passes its limit, and a receiver on this machine notes when it is told. A latency counts from
the instant at which the breach is due to be published.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from services.aggregator.tick import tick
from services.core.facility.model import FacilityFile
from services.core.runtime import metrics
from services.core.store.database.connect import connect, engine
from services.core.store.registry.apply import apply
from services.core.store.registry.plan import FacilityPlan, facility_plans
from services.core.store.schema import migrate
from tests.bench.live_latency import DurablePostgres, own_stack
from tests.e2e.stack import Stack
from tests.patience import until
from tests.services import server_directory

FACILITY = "bench"
SOURCES = 1000
KG_A_KWH = 0.25
#: a source emits 25 kg/h, and passes its limit of 60 kg/h by far
USUAL_KW, BREACH_KW = 100, 100_000
PATIENCE_S = 30.0

_LIMITS: tuple[dict[str, Any], ...] = (
    {"measure": "rate", "above": 60},
    {"measure": "rate", "above": 1e6, "for": "2m"},
    {"measure": "total", "window": "1h", "above": 1e6},
    {"measure": "total", "window": "24h", "above": 1e7, "clear_below": 9e6},
    {"measure": "total", "window": "30d", "above": 1e8},
    {"measure": "total", "window": "hour", "above": 1e6},
    {"measure": "total", "window": "today", "above": 1e7},
    {"measure": "total", "window": "month", "above": 1e8},
    {"measure": "budget", "window": "year", "budget": 1e9, "above": 0.8},
    {"measure": "coverage", "window": "24h", "below": 0},
)


def facility_file(webhook: str | None) -> dict[str, Any]:
    """The facility of the benchmark: a gauge, a source and ten limits for each meter."""
    gauge = {"id": "power", "quantity": "power", "unit": "kW", "kind": "gauge", "max_gap": 300}
    return {
        "facility": {"id": FACILITY, "name": "Benchmark", "timezone": "Europe/Vienna"},
        "devices": [{"id": f"bench-{n}", "channels": [gauge]} for n in range(SOURCES)],
        "factors": [
            {
                "id": "bench",
                "unit": "kWh",
                "co2_kg": KG_A_KWH,
                "valid_from": "2020-01-01",
                "citation": "a round figure",
            }
        ],
        "sources": [
            {
                "id": f"source-{n}",
                "scope": 2,
                "method": "activity",
                "input": f"bench-{n}.power",
                "factor": "bench",
            }
            for n in range(SOURCES)
        ],
        "thresholds": [
            {"id": f"limit-{n}-{k}", "source": f"source-{n}", **limit}
            for n in range(SOURCES)
            for k, limit in enumerate(_LIMITS)
        ],
        "notify": [{"mqtt": False}, *([{"webhook": webhook}] if webhook else [])],
    }


# -- what judging costs -----------------------------------------------------------------------


def evaluation(ticks: int) -> dict[str, Any]:
    """Seconds that judging takes in ticks in which every source changed."""
    with server_directory(for_postgres=True) as directory:
        database = DurablePostgres(directory)
        try:
            database.start()
            migrate.upgrade(database.url)
            bind = engine(database.url, process="bench")
            with bind.begin() as connection:
                apply(connection, FacilityFile.model_validate(facility_file(None)))
            bind.dispose()
            with connect(database.url, process="bench", autocommit=True) as connection:
                return _evaluate(connection, ticks)
        finally:
            database.stop()


def _evaluate(connection: psycopg.Connection[Any], ticks: int) -> dict[str, Any]:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    plan = next(iter(facility_plans(connection).values()))
    channels = [row[0] for row in connection.execute("SELECT id FROM channel ORDER BY id")]
    for minutes_ago in range(90, 0, -1):
        _store(connection, plan, channels, now - timedelta(minutes=minutes_ago))
    done = tick(connection, plan, now)
    while done.worked:
        done = tick(connection, plan, now)
    connection.execute("ANALYZE")
    found = []
    for number in range(ticks):
        # a reading a second, and a new minute now and then
        at = now + timedelta(minutes=1, seconds=7 * number)
        _store(connection, plan, channels, at, kw=USUAL_KW + number % 7)
        before = _judged_s()
        tick(connection, plan, at)
        found.append(_judged_s() - before)
    found.sort()
    return {
        "sources": SOURCES,
        "thresholds": len(plan.watch.thresholds),
        "ticks": ticks,
        "p50_s": round(found[len(found) // 2], 3),
        "max_s": round(found[-1], 3),
    }


def _store(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    channels: list[int],
    at: datetime,
    kw: float = USUAL_KW,
) -> None:
    with connection.transaction():
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT c, %s, %s, 0, now(), 0 FROM unnest(%s::int[]) AS c",
            (at, kw, channels),
        )
        connection.execute(
            "INSERT INTO touched (facility_id, channel_ids, minutes) VALUES (%s, %s, %s)",
            (plan.id, channels, [int(at.timestamp()) // 60] * len(channels)),
        )


def _judged_s() -> float:
    return next(
        sample.value
        for family in metrics.aggregator_judge_seconds.collect()
        for sample in family.samples
        if sample.name.endswith("_sum")
    )


# -- how long a breach takes ------------------------------------------------------------------


@dataclass(kw_only=True)
class Books:
    """When each source's breach was due, and when it was told; seconds of the monotonic clock."""

    due_s: dict[int, float] = field(default_factory=dict)
    told_s: dict[int, float] = field(default_factory=dict)
    deliveries: int = 0

    @property
    def complete(self) -> bool:
        """Whether every breach was told."""
        return len(self.told_s) >= len(self.due_s)


@contextmanager
def receiver(books: Books) -> Iterator[str]:
    """A webhook on this machine; yields its address."""

    class Hook(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            books.deliveries += 1
            if body["kind"] == "firing" and body["threshold"].endswith("-0"):
                books.told_s.setdefault(int(body["threshold"].split("-")[1]), time.monotonic())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


def publish(mqtt_url: str, books: Books, *, rate: int, seconds: int) -> None:
    """Publish ``rate`` readings a second, each when it is due; about four of them are breaches.

    All sources have their usual value once before the first breach.
    """
    host, port = mqtt_url.removeprefix("mqtt://").split(":")
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect(host, int(port))
    client.loop_start()
    chance = random.Random(1)
    begin_s = time.monotonic()
    for number in range(rate * seconds):
        due_s = begin_s + number / rate
        while (left_s := due_s - time.monotonic()) > 0:
            time.sleep(left_s)
        source = number % SOURCES
        breach = number >= SOURCES and source not in books.due_s and chance.random() < 4 / rate
        if breach:
            books.due_s[source] = due_s
        last = client.publish(
            f"emissions/{FACILITY}/bench-{source}/readings",
            json.dumps({"ts": time.time(), "values": {"power": BREACH_KW if breach else USUAL_KW}}),
            qos=1,
        )
    last.wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def latency(stack: Stack, *, rate: int, seconds: int) -> dict[str, Any]:
    """Publish, receive, and return the figures."""
    books = Books()
    with receiver(books) as webhook:
        file = stack.directory / "bench.yaml"
        file.write_text(json.dumps(facility_file(webhook)))
        # larger than any file that a person writes
        stack.apply(file, TONNE_FILE_BYTES=str(4 << 20))
        publish(stack.mqtt_url, books, rate=rate, seconds=seconds)
        until(lambda: books.complete, "every breach is told", PATIENCE_S)
    found = sorted(told - books.due_s[source] for source, told in books.told_s.items())
    judged = stack.aggregator.metric("tonne_aggregator_judge_seconds_sum")
    return {
        "readings_a_second": rate,
        "breaches": len(found),
        "deliveries": books.deliveries,
        "p50_s": round(found[len(found) // 2], 3),
        "p99_s": round(found[len(found) * 99 // 100], 3),
        "max_s": round(found[-1], 3),
        "judged_a_tick_s": round(
            judged / max(1.0, stack.aggregator.metric("tonne_aggregator_judge_seconds_count")), 3
        ),
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long meters publish")
    parser.add_argument("--rate", type=int, default=100, help="readings a second")
    parser.add_argument("--ticks", type=int, default=30, help="ticks to time")
    arguments = parser.parse_args()
    judged = evaluation(arguments.ticks)
    print(
        f"{judged['thresholds']} limits over {judged['sources']} sources that all changed, judged"
        f" in a tick: p50 {judged['p50_s']} s, max {judged['max_s']} s"
    )
    with own_stack() as stack:
        told = latency(stack, rate=arguments.rate, seconds=arguments.seconds)
    print(
        f"{told['breaches']} breaches among {told['readings_a_second']} readings/s, published ->"
        f" webhook: p50 {told['p50_s']} s, p99 {told['p99_s']} s, max {told['max_s']} s"
    )
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "alerts.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"evaluation": judged, "told": told}) + "\n")


if __name__ == "__main__":
    main()

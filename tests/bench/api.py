"""How long the API takes to answer over a year of hours of 2 000 sources.

Run by ``make bench``; writes ``.tonne/bench/api.json``. The store is 100 facilities of 20 sources
with a year of hours, 17.5 million rows, and a year of readings of three channels at 1/min, those
older than 35 days packed; ``tests/bench/answers/store.py`` makes it by SQL and says how. The
questions are asked one after the other while half the load that ingest and aggregator can bear
together runs beside, then many at once of one API process. Answers are taken as they are, not
compressed, with authentication off. ``--quick`` is a twentieth of the store with no load beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.bench.answers import beside, measure
from tests.bench.answers.questions import mix, questions
from tests.bench.answers.store import Shape, build
from tests.bench.throughput.plant import ShippedPostgres
from tests.e2e.stack import Service
from tests.services import server_directory

MIXED_P99_MS = 150.0
#: half of what ingest takes with the aggregator at work, messages of two values
HALF_LOAD = 13_000


@contextmanager
def database() -> Iterator[str]:
    """A new database on a server with the settings that tonne ships."""
    with ExitStack() as ending:
        server = ShippedPostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(server.stop)
        server.start()
        # TimescaleDB's launcher looks into template1 when the server starts
        yield ending.enter_context(server.fresh_database(template="template0"))


@contextmanager
def api(url: str, directory: Path, **more: str) -> Iterator[Service]:
    """The API, answering; its limits on one address leave room for the bench."""
    settings = {
        **more,
        "TONNE_DATABASE_URL": url,
        "TONNE_API_AUTH": "off",
        "TONNE_API_REQUESTS_PER_MINUTE": "100000",
        "TONNE_API_ROWS_PER_MINUTE": "1000000000",
        "TONNE_API_READS_AT_ONCE_PER_KEY": "12",
        "TONNE_API_WAITING_PER_KEY": "1000",
        "TONNE_API_STREAMS_PER_KEY": "10000",
        "TONNE_API_CONNECTIONS": "11000",
        "TONNE_API_CONNECTIONS_PER_ADDRESS": "11000",
    }

    def answers(_pid: int) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{service.port}/healthz").is_success
        except httpx.TransportError:
            return False

    service = Service(directory / "api", "api", settings, answers)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def ask(port: int, shape: Shape, last: datetime, arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask all questions; print and return the figures."""
    figures: dict[str, Any] = {"questions": {}, "mixed": {}}
    for question in questions(shape, last):
        if arguments.only and arguments.only not in question.name:
            continue
        figure = asyncio.run(
            measure.one_by_one(port, question, times=arguments.times, runs=arguments.runs)
        )
        figures["questions"][question.name] = figure
        print(
            f"{question.name:55} asked {figure['asked_ms']:4} ms  p95 {figure['p95_ms']:7} ms"
            f"  p50 {figure['p50_ms']:7} ms  {figure['bytes']:9} bytes",
            flush=True,
        )
    for conditional in (False, True) if arguments.seconds else ():
        name = "clients that send If-None-Match" if conditional else "as it is"
        figure = asyncio.run(
            measure.many_a_second(
                port,
                mix(shape, last),
                rate=arguments.rate,
                seconds=arguments.seconds,
                conditional=conditional,
            )
        )
        figures["mixed"][name] = {**figure, "asked_p99_ms": MIXED_P99_MS}
        print(f"mixed, {name}: asked p99 {MIXED_P99_MS} ms, {json.dumps(figure)}", flush=True)
    return figures


def main() -> None:
    """Build, measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small store, no load beside it")
    parser.add_argument("--scale", type=float, help="of the number of facilities; default: 1")
    parser.add_argument("--load", type=float, help=f"messages/s beside; default: {HALF_LOAD}")
    parser.add_argument("--database", help="a store that an earlier run left, see --keep")
    parser.add_argument("--keep", action="store_true", help="build, say where, wait for Ctrl-C")
    parser.add_argument("--only", help="only questions whose name holds this")
    parser.add_argument("--runs", type=int, default=3, help="of each question")
    parser.add_argument("--times", type=int, default=40, help="that it is asked in a run")
    parser.add_argument("--rate", type=int, default=200, help="of mixed questions a second")
    parser.add_argument("--seconds", type=int, default=60, help="of mixed questions; 0: none")
    arguments = parser.parse_args()
    scale = arguments.scale or (0.05 if arguments.quick else 1.0)
    load = (0.0 if arguments.quick else HALF_LOAD) if arguments.load is None else arguments.load
    shape, now = Shape().scaled(scale), datetime.now(UTC)
    figures: dict[str, Any] = {"facilities": shape.facilities, "load_messages_s": load}
    with ExitStack() as ending:
        url = arguments.database or ending.enter_context(database())
        if arguments.database is None:
            began = time.monotonic()
            figures |= build(url, shape, now)
            figures["built_s"] = round(time.monotonic() - began)
            print(f"{json.dumps(figures)} {url}", flush=True)
        directory = ending.enter_context(server_directory())
        if arguments.keep:
            signal.pause()
        port = ending.enter_context(api(url, directory)).port
        if load:
            # longer than all of it takes; it ends with the measurement
            ending.enter_context(beside.load(url, directory, rate=load, seconds=3600))
        else:
            ending.enter_context(beside.aggregator(url, directory))
        last = now.replace(minute=0, second=0, microsecond=0)
        figures |= ask(port, shape, last, arguments)
    figures["load_average"] = round(os.getloadavg()[0], 2)
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "api.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

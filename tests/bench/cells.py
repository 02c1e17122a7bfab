"""How fast a facility moves to another cell, and what answers over cells cost beside one database.

Run by hand: ``python -m tests.bench.cells``; prints JSON and writes ``.tonne/bench/cells.json``.
Readings and minutes of a facility are written by SQL, a reading a minute of each channel, and moved
between two databases of one server while another facility of the old cell is left alone. Processor
time is that of the mover and of its two sessions: times by the clock say little on a busy machine.

``--part answers``: the same facilities are in one database, and dealt out to two and four of the
same server. One API process after the other answers, as an operator starts it. A question is asked
again and again, one after the other, of each layout in turn, so that other programs are in the way
of all of them alike. Processor time is that of the API, and of PostgreSQL with all its sessions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg

from services.core.store.cells import directory, identity
from services.core.store.cells.move import Move, Side, move
from services.core.store.database.connect import connect
from services.core.store.schema import migrate
from tests.applying import apply_text
from tests.bench.aggregate import cpu_s, facility_file
from tests.bench.api import api
from tests.bench.live_latency import DurablePostgres
from tests.e2e.stack import Service
from tests.services import server_directory

_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)
SELECT c.id, t, 1000 + extract(epoch FROM t - timestamptz '2020-01-01') / 3600, 0, 0, t
FROM generate_series(timestamptz '2026-11-01', timestamptz '2026-11-01'
                     + make_interval(days => %s) - interval '1 minute', interval '1 minute') t,
     channel c
"""

_MINUTES = """
INSERT INTO emission_minute (minute, co2_ug, co2e_ug, market_ug, activity_n, covered_ms, source_id)
SELECT t, 4166666, 4166666, 4166666, 16666667, 60000, s.id
FROM generate_series(timestamptz '2026-11-01', timestamptz '2026-11-01'
                     + make_interval(days => %s) - interval '1 minute', interval '1 minute') t,
     source s
"""


_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, t, 250000000, 250000000, 250000000, 3600000, 1, true, 'measured', 'closed', t, t
FROM source s, generate_series(timestamptz '2026-10-01', timestamptz '2026-11-29', '1 hour') t
"""
#: Databases of each layout, the first of one alone.
_LAYOUTS = (1, 2, 4)
_MIGRATED = "migrated"
_FACILITIES = 8
_SOURCES = 25
_QUESTIONS = {
    "live of one": "/v1/live?facility=f3",
    "emissions of a day": "/v1/emissions?from=2026-11-20&to=2026-11-21&interval=1h",
    "facilities": "/v1/facilities",
    "report of a month": "/v1/reports/emissions?period=2026-10",
}


def pid(connection: psycopg.Connection[Any]) -> int:
    """Process of the session."""
    return connection.info.backend_pid


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=100)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--part", choices=("move", "answers"), default=None)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    if arguments.part != "answers":
        figures |= moved(arguments)
    if arguments.part != "move":
        figures["answers"] = answers(arguments)
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "cells.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


def answers(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask APIs over one database and over cells the same."""
    with ExitStack() as ending:
        server = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(server.stop)
        server.start()
        server.execute(f"CREATE DATABASE {_MIGRATED}")
        migrate.upgrade(server.url_of(_MIGRATED))
        services = {n: ending.enter_context(layout(server, n)) for n in _LAYOUTS}
        figures = {}
        for name in _QUESTIONS:
            figures[name] = asked(server, services, name, arguments.rounds)
            print(name, json.dumps(figures[name]), file=sys.stderr, flush=True)
        return figures


@contextmanager
def layout(server: DurablePostgres, number: int) -> Iterator[Service]:
    """An API over so many databases that have all facilities together."""
    names = ["home", *(f"c{i}" for i in range(1, number))]
    urls = {}
    for name in names:
        database = f"of_{number}_{name}"
        server.execute(f"CREATE DATABASE {database} TEMPLATE {_MIGRATED}")
        urls[name] = server.url_of(database)
    with connect(urls["home"], process="admin", autocommit=True) as home:
        for name in names[1:]:
            with connect(urls[name], process="admin", autocommit=True) as other:
                identity.add(home, other, name)
        for facility in range(_FACILITIES):
            name = names[facility % number]
            with connect(urls[name], process="admin", autocommit=True) as connection:
                if name != "home":
                    directory.claim(home, f"f{facility}", name, is_nowhere=True)
                    directory.note(connection, f"f{facility}", name)
            apply_text(urls[name], facility_file(facility, "sources", _SOURCES))
    for url in urls.values():
        with connect(url, process="admin", autocommit=True) as connection:
            connection.execute(_HOURS)
            connection.execute("ANALYZE")
    cells = "\n".join(f"{name}={urls[name]}" for name in names[1:])
    with (
        server_directory() as folder,
        api(urls["home"], folder, **({"TONNE_CELLS": cells} if cells else {})) as service,
    ):
        yield service


def server_cpu_s(main: int) -> float:
    """CPU seconds of a server's processes, and of those of them that have ended."""
    ended = Path(f"/proc/{main}/stat").read_text().rsplit(")", 1)[1].split()[13:15]
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    return cpu_s([main, *map(int, children)]) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")


def asked(
    server: DurablePostgres, services: Mapping[int, Service], name: str, rounds: int
) -> dict[str, Any]:
    """Ask each layout a question in turn; milliseconds of one answer, and how it compares."""
    call, count = _QUESTIONS[name], 10
    latencies: dict[int, list[float]] = {number: [] for number in services}
    spent = {number: [0.0, 0.0] for number in services}
    bodies: dict[int, bytes] = {}
    for turn in range(rounds + 1):
        for number, service in services.items():
            before = cpu_s([service.pid]), server_cpu_s(server.pid)
            with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=60) as client:
                for _ in range(count):
                    begun = time.perf_counter()
                    answer = client.get(call, headers={"Accept-Encoding": "identity"})
                    latencies[number].append(time.perf_counter() - begun)
                    answer.raise_for_status()
            bodies[number] = answer.content
            after = cpu_s([service.pid]), server_cpu_s(server.pid)
            if turn == 0:
                # what is read once and remembered
                latencies[number].clear()
                continue
            for part in range(2):
                spent[number][part] += after[part] - before[part]
    figures = {}
    for number in services:
        cpu = [1000 * s / (rounds * count) for s in spent[number]]
        figures[str(number)] = {
            "median_ms": round(1000 * median(latencies[number]), 2),
            "api_cpu_ms": round(cpu[0], 2),
            "database_cpu_ms": round(cpu[1], 2),
            "cpu_ratio": round(sum(spent[number]) / sum(spent[1]), 2),
            "latency_ratio": round(median(latencies[number]) / median(latencies[1]), 2),
            "bytes": len(bodies[number]),
        }
    return figures


def moved(arguments: argparse.Namespace) -> dict[str, Any]:
    """Move a facility; return the figures."""
    with ExitStack() as ending:
        server = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(server.stop)
        server.start()
        urls = {}
        for name in ("home", "b"):
            server.execute(f"CREATE DATABASE {name}")
            urls[name] = server.url_of(name)
            migrate.upgrade(urls[name])
        apply_text(urls["home"], facility_file(0, "sources", arguments.channels))
        old, new = (
            ending.enter_context(connect(urls[name], process="admin", autocommit=True))
            for name in ("home", "b")
        )
        identity.add(old, new, "b")
        for statement in (_READINGS, _MINUTES):
            old.execute(statement, (arguments.days,))
        old.execute("ANALYZE reading, emission_minute")
        marks: dict[str, tuple[float, float]] = {}

        def step(name: str) -> None:
            marks[name] = (time.monotonic(), cpu_s([os.getpid(), pid(old), pid(new)]))

        step("begun")
        result = move(
            Move(
                facility="f0",
                old=Side(name="home", connection=old),
                new=Side(name="b", connection=new),
                by="bench",
                step=step,
                copied=lambda _rows: None,
            ),
            lambda _connection, _facility: 0,
        )

    def between(first: str, last: str) -> dict[str, float]:
        return {
            "s": round(marks[last][0] - marks[first][0], 2),
            "cpu_s": round(marks[last][1] - marks[first][1], 2),
        }

    return {
        "rows": result.rows,
        "copied_and_compared_twice": between("arrival begun", "verified"),
        "frozen": between("frozen", "left"),
        "nowhere": between("left", "arrived"),
        "cleared": between("old rows compared", "old rows deleted"),
    }


if __name__ == "__main__":
    main()

"""How fast a facility moves to another cell, and how long it is frozen.

Run by hand: ``python -m tests.bench.cells``; prints JSON and writes ``.tonne/bench/cells.json``.
Readings and minutes of a facility are written by SQL, a reading a minute of each channel, and moved
between two databases of one server while another facility of the old cell is left alone. Processor
time is that of the mover and of its two sessions: times by the clock say little on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.cells import identity
from services.core.store.cells.move import Move, Side, move
from services.core.store.database.connect import connect
from services.core.store.schema import migrate
from tests.applying import apply_text
from tests.bench.aggregate import cpu_s, facility_file
from tests.bench.live_latency import DurablePostgres
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


def pid(connection: psycopg.Connection[Any]) -> int:
    """Process of the session."""
    return connection.info.backend_pid


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=100)
    parser.add_argument("--days", type=int, default=10)
    arguments = parser.parse_args()
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
        moved = move(
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

    figures = {
        "load_average": os.getloadavg()[0],
        "rows": moved.rows,
        "copied_and_compared_twice": between("arrival begun", "verified"),
        "frozen": between("frozen", "left"),
        "nowhere": between("left", "arrived"),
        "cleared": between("old rows compared", "old rows deleted"),
    }
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "cells.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

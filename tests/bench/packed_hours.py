"""What packed hours take, and how fast they are packed, read and opened.

Run by ``make bench``; writes ``.tonne/bench/packed_hours.json``. Meters and stacks have a year of
hours with random masses and dates to the microsecond, a tenth of which were restated once. All of
it is packed as the aggregator packs it. Bytes are those of the tables on disk with their indexes,
over the number of hours in force.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from services.core.store.answers.hour_columns import hour_columns
from services.core.store.database.connect import connect
from services.core.store.database.transactions import reading_pool
from services.core.store.emissions import hour_history
from services.core.store.emissions.hour_packing import candidates, months
from services.core.store.packing import opened
from services.core.store.schema import migrate
from tests.bench.live_latency import DurablePostgres
from tests.services import server_directory

BEGINS, ENDS = datetime(2025, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
TARGET_BYTES = 60.0

_SOURCES = """
INSERT INTO source (id, facility_id, slug, scope, method, activity_unit, spec)
OVERRIDING SYSTEM VALUE
SELECT s, f.id, 's' || s, 1, 'activity', 'kWh', '{}'
FROM generate_series(1, %s) s CROSS JOIN facility f
"""
_HOURS = """
WITH h AS (
    SELECT s, h, (1e10 * (1 + 5 * random()))::int8 AS ug, random() < 0.1 AS is_restated
    FROM generate_series(%(begins)s, %(ends)s - interval '1 hour', interval '1 hour') h
    CROSS JOIN generate_series(1, %(sources)s) s
), old AS (
    INSERT INTO emission_hour_history (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n,
        covered_ms, version, final, quality, reason, known_at, superseded_at)
    SELECT s, h, ug, ug, ug, ug * 3, 3600000, 1, true, 'measured', 'closed',
           h + interval '1 hour' + random() * interval '3 s', h + interval '9 days'
    FROM h WHERE is_restated
)
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms,
    version, final, quality, code, reason, known_at, opened_at)
SELECT s, h, ug, (ug * 1.007)::int8, CASE WHEN s %% 4 = 0 THEN (ug * 0.3)::int8 ELSE ug END,
       CASE WHEN s %% 5 > 0 THEN (ug * 3.1)::int8 END, 3600000, 1 + is_restated::int, true,
       'measured', CASE WHEN s %% 5 = 0 THEN 'co2:01 flow:01' END,
       CASE WHEN is_restated THEN 'the factor grid changed: 0.2 -> 0.3' ELSE 'closed' END,
       h + CASE WHEN is_restated THEN interval '9 days' ELSE interval '1 hour' END
       + random() * interval '3 s', h + random() * interval '3 s'
FROM h
"""


def size(connection: psycopg.Connection[Any]) -> int:
    """Return the bytes of all hours on disk."""
    row = connection.execute(
        "SELECT pg_total_relation_size('emission_hour')"
        " + pg_total_relation_size('emission_hour_history')"
        " + pg_total_relation_size('packed_hours')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def pack(connection: psycopg.Connection[Any]) -> int:
    """Pack every month; return how many there were."""
    packed = list(candidates.walk(connection, ENDS + timedelta(days=40)))
    for candidate in packed:
        settled = candidate.settled(connection, datetime.now(UTC))
        assert settled is not None
        settled.pack()
    return len(packed)


def year_ms(url: str, sources: int) -> float:
    """Return how long the API takes to read a source's year as columns."""

    async def ask() -> float:
        pool, times = reading_pool(url, process="api", connections=1), []
        async with pool.connect() as connection:
            for source in range(1, sources + 1):
                began = time.perf_counter()
                hours = await hour_columns(connection, [source], BEGINS, ENDS, now=ENDS)
                times.append(time.perf_counter() - began)
                assert len(hours) == (ENDS - BEGINS) // timedelta(hours=1)
        await pool.dispose()
        return 1e3 * statistics.median(times)

    return round(asyncio.run(ask()), 2)


def took_s(work: Callable[[], Any]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(connection: psycopg.Connection[Any], url: str, sources: int) -> dict[str, Any]:
    """Pack everything, read it and open it again; return sizes and speeds."""
    hours = sources * ((ENDS - BEGINS) // timedelta(hours=1))
    loose, rows_ms = size(connection), year_ms(url, sources)
    packed_s = took_s(lambda: pack(connection))
    connection.execute("VACUUM FULL emission_hour, emission_hour_history, packed_hours")
    packed = size(connection)
    with opened.snapshot(connection):
        shown_s = took_s(lambda: hour_history.open_span(connection, [1, 2], BEGINS, ENDS))
    figures = {
        "hours": hours,
        "bytes_a_row": round(loose / hours, 1),
        "bytes_a_packed_hour": round(packed / hours, 1),
        "packed_hours_s": round(hours / packed_s),
        "year_of_rows_ms": rows_ms,
        "year_of_packed_ms": year_ms(url, sources),
        "opened_for_sql_us_an_hour": round(1e6 * shown_s * sources / 2 / hours, 1),
    }
    keys = connection.execute("SELECT source_id, month FROM packed_hours").fetchall()
    with connection.transaction():
        columns = (np.array(column) for column in zip(*keys, strict=True))
        opened_s = took_s(lambda: months.open_months(connection, *columns))
    return {**figures, "opened_for_writing_us_an_hour": round(1e6 * opened_s / hours, 1)}


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=10, help="with a year of hours")
    sources = parser.parse_args().sources
    with ExitStack() as ending:
        database = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(database.stop)
        database.start()
        url = ending.enter_context(database.fresh_database())
        migrate.upgrade(url)
        connection = ending.enter_context(connect(url, process="test", autocommit=True))
        connection.execute(
            "INSERT INTO facility (slug, name, timezone, document) VALUES ('a', 'a', 'UTC', '{}')"
        )
        connection.execute(_SOURCES, (sources,))
        connection.execute(_HOURS, {"begins": BEGINS, "ends": ENDS, "sources": sources})
        connection.execute("VACUUM ANALYZE")
        figures = {"target_bytes": TARGET_BYTES, **measured(connection, url, sources)}
    figures["load_average"] = round(os.getloadavg()[0], 2)
    print(json.dumps(figures))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "packed_hours.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

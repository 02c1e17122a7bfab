"""What packed readings take, how fast they are packed and how fast a packed day is read.

Run by ``make bench``; writes ``.tonne/bench/packing.json``. The demo's meters and stacks as they
are back-filled and as they arrive live, a household's hours (tests/fixtures), quarter hours made of
them and channels at 1 Hz go into a database; all of it is packed and joined as the aggregator does
it. Bytes are those of the tables on disk with their indexes, over the number of readings.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from sensors_sim import worlds
from services.core.store.database.arrays import copy_data
from services.core.store.database.connect import connect
from services.core.store.database.transactions import reading_pool
from services.core.store.packing import opened
from services.core.store.packing.days import begin
from services.core.store.readings import history, history_arrays
from services.core.store.readings.packing import candidates, codec, days, joining
from services.core.store.readings.packing.columns import ReadingColumns
from services.core.store.schema import migrate
from services.core.timeline.instants import DAY_US, POSTGRES_EPOCH_US, to_us
from tests.bench import minute_packing
from tests.bench.live_latency import DurablePostgres
from tests.services import server_directory

FIRST_DAY = to_us(datetime(2026, 3, 2, tzinfo=UTC)) // DAY_US
#: All of it is packed.
BEFORE = datetime(2026, 6, 1, tzinfo=UTC)
HOUSEHOLDS = 400
TARGETS = {
    "bytes_a_reading": 2.0,
    "bytes_a_live_reading": 3.0,
    "codec_readings_s": 1_000_000,
    "day_read_ms": 3.0,
    "bytes_a_minute": 6.0,
}
QUARTER_US = 15 * 60 * 1_000_000
_HOUSEHOLD = Path(__file__).parent.parent / "fixtures" / "household-hourly-kwh-2023-01.csv"
_COPY = """
COPY reading (channel_id, ts, value, quality, time_source, received_at)
FROM STDIN (FORMAT BINARY)
"""

_PARTS = {
    "delete": "DELETE FROM reading WHERE channel_id = %(channel)s"
    " AND ts >= %(begins)s AND ts < %(ends)s",
    "take": "SELECT sent FROM take_readings(%(channel)s, %(day)s, %(day)s, 'infinity')",
}

_OPENED = """
SELECT floor(extract(epoch FROM min(ts)) / 86400)::int,
       floor(extract(epoch FROM max(ts)) / 86400)::int
FROM reading WHERE channel_id = %s
"""

#: One channel's readings: times and values.
Series = tuple[np.ndarray, np.ndarray]


def demo(number_of_days: int) -> Iterator[Series]:
    """Each channel of the demo, as its devices sample it."""
    begin_ms, end_ms = (day * DAY_US // 1000 for day in (FIRST_DAY, FIRST_DAY + number_of_days))
    for facility in worlds.chosen("demo", None, 1):
        for device in facility.devices:
            dues = list(device.due_times(begin_ms, end_ms, device.interval_s))
            for channel in device.channels:
                ts_us = np.array(dues, dtype=np.int64) * 1000
                yield ts_us, np.array([channel.read(due) for due in dues], dtype=np.float64)


def household() -> Iterator[Series]:
    """A meter's amount of each hour for a month, as often as makes a table of some size."""
    with _HOUSEHOLD.open() as file:
        rows = list(csv.DictReader(file))
    ts_us = np.array([to_us(datetime.fromisoformat(r["interval_start_utc"])) for r in rows])
    for _ in range(HOUSEHOLDS):
        yield ts_us, np.array([float(row["kwh"]) for row in rows])


def quarter_hours() -> Iterator[Series]:
    """The same by the quarter of an hour, in random shares."""
    rng = np.random.default_rng(3)
    for ts_us, kwh in household():
        share = rng.dirichlet(np.full(4, 4.0), ts_us.size)
        quarters = (ts_us[:, None] + np.arange(4) * QUARTER_US).ravel()
        yield quarters, np.round((kwh[:, None] * share).ravel(), 3)


def each_second(number_of_days: int) -> Iterator[Series]:
    """A register of 3 decimals and a gauge of one, each second."""
    rng = np.random.default_rng(1)
    size = number_of_days * 86_400
    ts_us = FIRST_DAY * DAY_US + np.arange(size, dtype=np.int64) * 1_000_000
    yield ts_us, np.round(18_000 + np.cumsum(rng.uniform(0.05, 0.15, size)), 3)
    yield ts_us, np.round(412 + 30 * np.sin(np.arange(size) / 7200) + rng.normal(0, 2, size), 1)


def at_once(ts_us: np.ndarray) -> np.ndarray:
    """Return when readings arrive that are back-filled, 720 in a message."""
    return to_us(datetime(2026, 4, 2, tzinfo=UTC)) + np.arange(ts_us.size) // 720 * 9_137


def live(ts_us: np.ndarray) -> np.ndarray:
    """Return when live readings arrive: some milliseconds later, now and then a second."""
    rng = np.random.default_rng(2)
    late_us = rng.lognormal(np.log(6_000), 0.5, ts_us.size)
    stalls = rng.random(ts_us.size) < 0.002
    return ts_us + (late_us + stalls * rng.uniform(0, 1e6, ts_us.size)).astype(np.int64)


def stored(
    connection: psycopg.Connection[Any],
    series: Iterator[Series],
    arrival: Callable[[np.ndarray], np.ndarray],
) -> int:
    """Store series as ingest does; return how many readings that were."""
    connection.execute("TRUNCATE reading, packed_readings, packing_horizon")
    total = 0
    for channel_id, (ts_us, value) in enumerate(series, start=1):
        total += ts_us.size
        columns = {
            "channel_id": np.full(ts_us.size, channel_id, dtype=np.int32),
            "ts": ts_us - POSTGRES_EPOCH_US,
            "value": value,
            "quality": np.zeros(ts_us.size, dtype=np.int16),
            "time_source": np.zeros(ts_us.size, dtype=np.int16),
            "received_at": arrival(ts_us) - POSTGRES_EPOCH_US,
        }
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(copy_data(columns))
    connection.execute("VACUUM ANALYZE")
    return total


def size(connection: psycopg.Connection[Any]) -> int:
    """Return the bytes of all readings on disk, with indexes and what is stored beside."""
    row = connection.execute(
        "SELECT hypertable_size('reading') + pg_total_relation_size('packed_readings')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def emptied(connection: psycopg.Connection[Any]) -> int:
    """Return the bytes of chunks that readings have left, which are as many for all channels."""
    ((left,),) = connection.execute("SELECT hypertable_size('reading')").fetchall()
    return int(left)


def measured(
    url: str, connection: psycopg.Connection[Any], total: int, *, by_day: bool
) -> dict[str, Any]:
    """Pack everything; return sizes and speeds."""
    loose = size(connection)
    pairs = connection.execute(
        "SELECT DISTINCT channel_id, floor(extract(epoch FROM ts) / 86400)::int FROM reading"
        " ORDER BY 1, 2"
    ).fetchall()
    stages = stages_us(connection, pairs)
    moved = Stopwatch(connection)
    move(connection, by_day=by_day)
    moved.stop()
    joined = Stopwatch(connection)
    join(connection)
    joined.stop()
    connection.execute("VACUUM (FULL) packed_readings")
    connection.execute("VACUUM reading")
    connection.execute("SELECT free_empty_chunks()")
    ((packed_rows,),) = connection.execute("SELECT count(*) FROM packed_readings").fetchall()
    return {
        "readings": total,
        "channel_days": len(pairs),
        "bytes_a_row": round(loose / total, 1),
        "bytes_a_packed_reading": round(size(connection) / total, 2),
        "bytes_of_emptied_chunks": round(emptied(connection) / total, 2),
        "packed_rows": packed_rows,
        "moved_readings_s": round(total / moved.wall_s),
        "moved_readings_a_core_s": round(total / (moved.database_s + moved.packer_s)),
        "moved_us": {
            "database": round(1e6 * moved.database_s / total, 3),
            "packer": round(1e6 * moved.packer_s / total, 3),
            **stages,
        },
        "joined_us": {
            "database": round(1e6 * joined.database_s / total, 3),
            "packer": round(1e6 * joined.packer_s / total, 3),
        },
        "late_reading_ms": late_reading(connection, pairs),
        **codec_speed(connection, total),
        **day_read(url, connection, pairs),
    }


class Stopwatch:
    """How long something takes, and of the processors: what the database uses, and the packer."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._scheduled = Path(f"/proc/{connection.info.backend_pid}/schedstat")
        self._began = time.perf_counter(), time.process_time(), self._database()
        self.wall_s = self.packer_s = self.database_s = 0.0

    def stop(self) -> None:
        """Note what it took until now."""
        wall, packer, database = self._began
        self.wall_s = time.perf_counter() - wall
        self.packer_s = time.process_time() - packer
        self.database_s = self._database() - database

    def _database(self) -> float:
        return int(self._scheduled.read_text().split()[0]) / 1e9


def move(connection: psycopg.Connection[Any], *, by_day: bool) -> None:
    """Pack everything, as much in a transaction as takes a tenth of a second.

    ``by_day``: as what arrives live is packed, each day when it is old enough.
    """
    batch = time.perf_counter()
    with ExitStack() as transaction:
        transaction.enter_context(connection.transaction())
        for run in candidates.walk(connection, BEFORE):
            lasts = range(run.day, run.last + 1) if by_day else [run.last]
            for first, last in zip([run.day, *(day + 1 for day in lasts)], lasts, strict=False):
                days.pack_days(connection, run.channel_id, first, last)
            if time.perf_counter() - batch > 0.1:
                transaction.close()
                transaction.enter_context(connection.transaction())
                batch = time.perf_counter()


def join(connection: psycopg.Connection[Any]) -> None:
    """Join what the months have of short rows, a transaction for each."""
    for month in joining.walk(connection, BEFORE):
        with connection.transaction():
            joining.join(connection, month)


def stages_us(connection: psycopg.Connection[Any], pairs: list[Any]) -> dict[str, float]:
    """Return what parts of a move take of the database for each reading, by trying them.

    Of a few days: ``delete`` is that of the rows alone, ``take`` that they are read and digested
    as well.
    """
    some, parts = pairs[:: max(1, len(pairs) // 8)], dict[str, float]()
    for name, statement in _PARTS.items():
        rows, watch = 0, Stopwatch(connection)
        with connection.transaction(force_rollback=True):
            for channel_id, day in some:
                key = {"channel": channel_id, "day": day, "begins": begin(day)}
                cursor = connection.execute(statement, {**key, "ends": begin(day + 1)}, binary=True)
                rows += cursor.rowcount if name == "delete" else len(cursor.fetchall()[0][0]) // 38
            watch.stop()
        parts[name] = round(1e6 * watch.database_s / rows, 3)
    return parts


def codec_speed(connection: psycopg.Connection[Any], total: int) -> dict[str, Any]:
    """Unpack and pack all again, without the database."""
    rows = connection.execute(
        "SELECT channel_id, day, days, series, arrival FROM packed_readings", binary=True
    ).fetchall()
    began = time.perf_counter()
    unpacked: list[ReadingColumns] = [days.unpacked(*row) for row in rows]
    read_s = time.perf_counter() - began
    began = time.perf_counter()
    blobs = [codec.pack(readings) for readings in unpacked]
    packed_s = time.perf_counter() - began
    assert sum(map(len, unpacked)) == total
    assert blobs
    return {
        "codec_packs_readings_s": round(total / packed_s),
        "codec_unpacks_readings_s": round(total / read_s),
    }


def day_read(url: str, connection: psycopg.Connection[Any], pairs: list[Any]) -> dict[str, Any]:
    """Read packed days one by one, as arrays and as rows of the view."""
    some = pairs[:: max(1, len(pairs) // 40)]
    view = []
    for channel_id, day in some:
        began = time.perf_counter()
        with opened.snapshot(connection):
            history.open_span(connection, [channel_id], *_span(day))
        view.append(time.perf_counter() - began)
    return {
        "day_read_ms": round(1e3 * statistics.median(asyncio.run(as_arrays(url, some))), 2),
        "day_opened_for_sql_ms": round(1e3 * statistics.median(view), 2),
    }


def late_reading(connection: psycopg.Connection[Any], pairs: list[Any]) -> dict[str, float]:
    """Open what a late reading has opened, and pack it again; return how long each takes."""
    opening, packing = [], []
    for channel_id, day in pairs[:: max(1, len(pairs) // 20)]:
        with connection.transaction(force_rollback=True):
            began = time.perf_counter()
            days.open_days(connection, np.array([channel_id]), np.array([day]))
            opening.append(time.perf_counter() - began)
            (bounds,) = connection.execute(_OPENED, (channel_id,)).fetchall()
            began = time.perf_counter()
            days.pack_days(connection, channel_id, *bounds)
            packing.append(time.perf_counter() - began)
    return {
        "opens": round(1e3 * statistics.median(opening), 2),
        "packs_again": round(1e3 * statistics.median(packing), 2),
    }


async def as_arrays(url: str, pairs: list[Any]) -> list[float]:
    """Read packed days as the API does for charts; return how many seconds each took."""
    took = []
    pool = reading_pool(url, process="api", connections=1)
    try:
        async with pool.connect() as connection:
            # once beforehand: connections of the API have been used before
            for channel_id, day in [pairs[0], *pairs]:
                began = time.perf_counter()
                assert len(await history_arrays.series_async(connection, channel_id, *_span(day)))
                took.append(time.perf_counter() - began)
    finally:
        await pool.dispose()
    return took[1:]


def _span(day: int) -> tuple[datetime, datetime]:
    return begin(day), begin(day + 1) - timedelta(microseconds=1)


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14, help="of the demo")
    parser.add_argument("--seconds-days", type=int, default=2, help="of the channels at 1 Hz")
    parser.add_argument("--cases", default="*", help="as a pattern of their names")
    arguments = parser.parse_args()
    cases: Mapping[str, tuple[Callable[[], Iterator[Series]], Callable[..., np.ndarray]]] = {
        "demo_back_filled": (lambda: demo(arguments.days), at_once),
        "demo_live": (lambda: demo(arguments.days), live),
        "household_back_filled": (household, at_once),
        "household_live": (household, live),
        "quarter_hours_back_filled": (quarter_hours, at_once),
        "quarter_hours_live": (quarter_hours, live),
        "each_second": (lambda: each_second(arguments.seconds_days), at_once),
        "each_second_live": (lambda: each_second(arguments.seconds_days), live),
    }
    figures: dict[str, Any] = {"targets": TARGETS}
    with ExitStack() as ending:
        database = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(database.stop)
        database.start()
        url = ending.enter_context(database.fresh_database())
        migrate.upgrade(url)
        connection = ending.enter_context(connect(url, process="test", autocommit=True))
        for name, (series, arrival) in cases.items():
            if not fnmatch(name, arguments.cases):
                continue
            total = stored(connection, series(), arrival)
            figures[name] = measured(url, connection, total, by_day=arrival is live)
            print(name, json.dumps(figures[name]), flush=True)
        if arguments.cases != "*":
            return
        minutes_url = ending.enter_context(database.fresh_database())
        migrate.upgrade(minutes_url)
        connection = ending.enter_context(connect(minutes_url, process="test", autocommit=True))
        minute_packing.store(minutes_url, connection, arguments.days)
        figures["demo_minutes"] = minute_packing.measured(connection)
        print("demo_minutes", json.dumps(figures["demo_minutes"]), flush=True)
    figures["load_average"] = round(os.getloadavg()[0], 2)
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "packing.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

"""What packed minutes take: part of the bench of packed history (:mod:`tests.bench.packing`).

The demo's facilities go into a database with the readings that their devices sample; the aggregator
computes their minutes, and all of them are packed as it packs them. Bytes are those of the tables
on disk with their indexes, over the number of minutes.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from sensors_sim import worlds
from services.aggregator.tick import tick
from services.core.facility.file import parse
from services.core.store.database.arrays import copy_data
from services.core.store.database.connect import engine
from services.core.store.emissions import minute_history
from services.core.store.emissions.packing import days
from services.core.store.emissions.packing.candidates import factors_of
from services.core.store.packing.days import begin
from services.core.store.registry.apply import apply
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import DAY_MINUTES, DAY_US, POSTGRES_EPOCH_US, to_us

FIRST_DAY = to_us(datetime(2026, 3, 2, tzinfo=UTC)) // DAY_US
_DEMO = Path(__file__).parent.parent.parent / "deploy/demo"
_COPY = """
COPY reading (channel_id, ts, value, quality, time_source, received_at)
FROM STDIN (FORMAT BINARY)
"""
_CHANNEL = """
SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id WHERE (f.slug, d.slug, c.slug) = (%s, %s, %s)
"""
_TOUCH = """
INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason)
SELECT facility_id, id, %(first)s, %(stop)s, 'bench' FROM source
"""
_SOURCES = """
SELECT s.id, s.facility_id, s.spec ->> 'method', array_agg(DISTINCT d.day)
FROM source s JOIN (
    SELECT DISTINCT source_id, minute_of(minute) / 1440 AS day FROM emission_minute) d
  ON d.source_id = s.id GROUP BY 1, 2, 3 ORDER BY 1
"""


def store(url: str, connection: psycopg.Connection[Any], number_of_days: int) -> None:
    """Store the demo's readings of some days, and have the aggregator compute their minutes."""
    begin_ms, end_ms = (day * DAY_US // 1000 for day in (FIRST_DAY, FIRST_DAY + number_of_days))
    facilities = worlds.chosen("demo", None, 1)
    bind = engine(url, process="test")
    with bind.begin() as applying:
        for facility in facilities:
            apply(applying, parse((_DEMO / f"{facility.id}.yaml").read_text(encoding="utf-8")))
    bind.dispose()
    for facility in facilities:
        for device in facility.devices:
            dues = list(device.due_times(begin_ms, end_ms, device.interval_s))
            for channel in device.channels:
                row = connection.execute(_CHANNEL, (facility.id, device.id, channel.id)).fetchone()
                if row is not None:
                    _copy(connection, row[0], dues, [channel.read(due) for due in dues])
    span = {"first": FIRST_DAY * DAY_MINUTES, "stop": (FIRST_DAY + number_of_days) * DAY_MINUTES}
    connection.execute(_TOUCH, span)
    now = begin(FIRST_DAY + number_of_days + 3)
    for plan in facility_plans(connection).values():
        while tick(connection, plan, now).more:
            pass


def _copy(
    connection: psycopg.Connection[Any], channel_id: int, dues: list[int], values: list[float]
) -> None:
    ts_us = np.array(dues, dtype=np.int64) * 1000
    columns = {
        "channel_id": np.full(ts_us.size, channel_id, dtype=np.int32),
        "ts": ts_us - POSTGRES_EPOCH_US,
        "value": np.array(values, dtype=np.float64),
        "quality": np.zeros(ts_us.size, dtype=np.int16),
        "time_source": np.zeros(ts_us.size, dtype=np.int16),
        "received_at": ts_us - POSTGRES_EPOCH_US,
    }
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(copy_data(columns))


def measured(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Pack all minutes; return bytes a minute by the source's method, the rate and a day's read."""
    plans = facility_plans(connection)
    by_method: dict[str, list[int]] = {}
    pairs = []
    began = time.perf_counter()
    for source_id, facility_id, method, source_days in connection.execute(_SOURCES).fetchall():
        for day in source_days:
            factors = factors_of(connection, plans.get(facility_id), source_id, day, day)
            with connection.transaction():
                packed = days.pack(connection, source_id, day, factors)
            total = by_method.setdefault(method, [0, 0])
            total[0] += packed.packed_bytes
            total[1] += packed.rows
            pairs.append((source_id, day))
    packed_s = time.perf_counter() - began
    minutes = sum(rows for _, rows in by_method.values())
    connection.execute("VACUUM (FULL) packed_minutes")
    row = connection.execute("SELECT pg_total_relation_size('packed_minutes')").fetchone()
    assert row is not None
    read = []
    for source_id, day in pairs:
        began = time.perf_counter()
        assert len(
            minute_history.packed(
                connection, [source_id], day * DAY_MINUTES, (day + 1) * DAY_MINUTES
            )
        )
        read.append(time.perf_counter() - began)
    return {
        "minutes": minutes,
        "bytes_a_packed_minute": round(row[0] / minutes, 2),
        **{f"bytes_of_{m}": round(size / rows, 2) for m, (size, rows) in by_method.items()},
        "moved_minutes_s": round(minutes / packed_s),
        "day_read_ms": round(1e3 * statistics.median(read), 2),
    }

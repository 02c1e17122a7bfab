"""A store of facilities with years of hours, made in minutes by SQL as the aggregator leaves it.

The facility file of one facility is applied; the registry of the others is copied from it in SQL.
Hours are one INSERT of each month, before the table has its key, which is made at the end; rows lie
in the order in which hours end, as the aggregator writes them, so that the year of a source is
spread over all of the table. Sums of days and months are stored as the aggregator stores them.
Readings of three channels go in by COPY and are packed as the aggregator packs them. Of all hours
the aggregator would pack eleven months in twelve; here it is those of ``PACKED_FACILITIES``, of
which the hours of a source are asked: to pack all 16 million takes five minutes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import numpy as np
import psycopg

from services.aggregator.summing import Summing
from services.core.facility.file import parse
from services.core.store.database.arrays import copy_data
from services.core.store.database.connect import connect, engine
from services.core.store.emissions.hour_packing import months
from services.core.store.readings.packing import days
from services.core.store.registry.apply import apply
from services.core.store.schema import migrate
from services.core.store.schema.figures import IN_WINDOWS, per_figure
from services.core.timeline.instants import DAY_US, MINUTE_US, POSTGRES_EPOCH_US, to_us
from services.core.timeline.windows import ROLLING_MINUTES, TOTALS

KG_A_KWH: Final = 0.25
#: Readings are packed when they are older, as by default.
PACKED_AFTER: Final = timedelta(days=35)
YEAR: Final = timedelta(days=365)
PACKED_FACILITIES: Final = ("f1", "f2")

#: The facilities beside the first, with the same devices, channels and sources.
_FACILITIES: LiteralString = """
INSERT INTO facility (slug, name, timezone, document)
SELECT 'f' || n, name, timezone, document FROM facility CROSS JOIN generate_series(1, %(last)s) n
WHERE slug = 'f0'
"""
_DEVICES: LiteralString = """
INSERT INTO device (facility_id, slug, format, spec)
SELECT f.id, d.slug, d.format, d.spec
FROM device d JOIN facility o ON o.id = d.facility_id AND o.slug = 'f0'
CROSS JOIN facility f WHERE f.slug <> 'f0' AND d.slug <> 'cems' ORDER BY f.id, d.id
"""
_CHANNELS: LiteralString = """
INSERT INTO channel (device_id, slug, quantity, unit, kind, spec)
SELECT d.id, c.slug, c.quantity, c.unit, c.kind, c.spec
FROM channel c JOIN device o ON o.id = c.device_id
JOIN facility f ON f.id = o.facility_id AND f.slug = 'f0'
JOIN device d ON d.slug = o.slug AND d.id <> o.id ORDER BY d.id, c.id
"""
_SOURCES: LiteralString = """
INSERT INTO source (facility_id, slug, scope, method, activity_unit, spec)
SELECT f.id, s.slug, s.scope, s.method, s.activity_unit, s.spec
FROM source s JOIN facility o ON o.id = s.facility_id AND o.slug = 'f0'
CROSS JOIN facility f WHERE f.slug <> 'f0' AND s.slug <> 'stack' ORDER BY f.id, s.id
"""
_INPUTS: LiteralString = """
INSERT INTO source_input (source_id, role, channel_id)
SELECT s.id, 'input', c.id
FROM source s JOIN facility f ON f.id = s.facility_id AND f.slug <> 'f0'
JOIN device d ON d.facility_id = f.id JOIN channel c ON c.device_id = d.id
WHERE s.spec ->> 'input' = d.slug || '.' || c.slug
"""
_FACTORS: LiteralString = """
INSERT INTO factor (facility_id, slug, unit, basis, co2_kg, ch4_kg, n2o_kg, ch4_origin, valid_from,
                    release, citation)
SELECT f.id, x.slug, x.unit, x.basis, x.co2_kg, x.ch4_kg, x.n2o_kg, x.ch4_origin, x.valid_from,
       x.release, x.citation
FROM factor x JOIN facility o ON o.id = x.facility_id AND o.slug = 'f0'
CROSS JOIN facility f WHERE f.slug <> 'f0'
"""
_REVISIONS: LiteralString = """
INSERT INTO channel_revision (channel_id, spec) SELECT id, spec FROM channel
ON CONFLICT DO NOTHING;
INSERT INTO source_revision (source_id, spec) SELECT id, spec FROM source ON CONFLICT DO NOTHING
"""

#: Some 2 kWh an hour of each source, up and down with the day, never twice the same.
_KWH: LiteralString = (
    "(2 + sin(extract(epoch FROM t) * 7.27e-5) + mod(s.id, 17) * 0.1)::numeric(12, 6)"
)
_HOURS: LiteralString = f"""
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms,
                           version, final, quality, reason, known_at, opened_at)
SELECT s.id, t, kwh * {KG_A_KWH} * 1e9, kwh * {KG_A_KWH} * 1e9, kwh * {KG_A_KWH} * 1e9, kwh * 1e9,
       3600000, 1, true, 'measured', 'closed', t + interval '2 hours', t
FROM generate_series(%(first)s, %(last)s - interval '1 hour', interval '1 hour') AS t
CROSS JOIN source s CROSS JOIN LATERAL (SELECT {_KWH} AS kwh) k
ORDER BY t, s.id
"""  # noqa: S608 - constants
_MINUTES: LiteralString = f"""
INSERT INTO emission_minute
    (source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, activity, covered_ms)
SELECT s.id, t, kwh * {KG_A_KWH} * 1e9 / 60, kwh * {KG_A_KWH} * 1e9 / 60,
       kwh * {KG_A_KWH} * 1e9 / 60, kwh * 1e9 / 60, kwh / 60, 60000
FROM generate_series(%(first)s, %(last)s - interval '1 minute', interval '1 minute') AS t
CROSS JOIN source s CROSS JOIN LATERAL (SELECT {_KWH} AS kwh) k
ORDER BY t, s.id
"""  # noqa: S608 - constants
_WINDOWS: LiteralString = f"""
INSERT INTO rolling_total (source_id, span, since, upto, {per_figure(IN_WINDOWS)})
SELECT h.source_id, x.span, %(last)s - x.length, %(last)s - interval '1 minute',
       {per_figure(IN_WINDOWS, "0")}
FROM (SELECT id AS source_id FROM source) h
CROSS JOIN unnest(%(spans)s::text[], %(lengths)s::interval[]) AS x(span, length)
"""  # noqa: S608 - constants
_TOTALS: LiteralString = """
UPDATE rolling_total r SET co2_ug = x.ug, co2e_ug = x.ug, market_ug = x.ug, covered_ms = x.ms
FROM (SELECT r.source_id, r.span, sum(h.co2_ug) AS ug, sum(h.covered_ms) AS ms
      FROM rolling_total r JOIN emission_hour h
           ON h.source_id = r.source_id AND h.hour >= r.since AND h.hour <= r.upto
      GROUP BY 1, 2) x
WHERE x.source_id = r.source_id AND x.span = r.span
"""
_PROGRESS: LiteralString = """
INSERT INTO facility_progress (facility_id, sequence, carried_to, judged_to, rolled_to)
SELECT id, 1, %(last)s, %(last)s, %(last)s FROM facility ON CONFLICT DO NOTHING
"""
_HOUR_INPUTS: LiteralString = """
INSERT INTO source_hour_input (source_id, role, hour, average, covered_ms, operating_ms, valid,
                               verdict, verdict_reason, value, code, reason)
SELECT s.id, r.role, t, r.value, 3600000, 3600000, true, 'valid', 'each quarter hour has data',
       r.value, '01', 'measured'
FROM generate_series(%(first)s, %(last)s - interval '1 hour', interval '1 hour') AS t
CROSS JOIN (SELECT id FROM source WHERE slug = 'stack') s
CROSS JOIN (VALUES ('co2', 9.8), ('flow', 612000)) AS r(role, value)
"""
_COPY: LiteralString = (
    "COPY reading (channel_id, ts, value, quality, time_source, received_at)"
    " FROM STDIN (FORMAT BINARY)"
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How much there is."""

    facilities: int = 100
    sources: int = 20
    days: int = 365
    #: of minutes before the last hour; the aggregator keeps more of them
    minutes: timedelta = timedelta(hours=6)
    has_readings: bool = True

    def scaled(self, scale: float) -> Shape:
        """Return fewer facilities, of as many sources and days each."""
        return Shape(
            facilities=max(2, round(self.facilities * scale)),
            sources=self.sources,
            days=self.days,
            minutes=self.minutes,
            has_readings=self.has_readings,
        )


def facility_file(sources: int) -> str:
    """The file of the first facility: meters with a source each, and a stack under Part 75."""
    counter = {"quantity": "energy", "unit": "kWh", "kind": "counter", "max_rate": 1000}
    gauge = {"kind": "gauge", "max_gap": 120, "basis": "wet"}
    factor = {"id": "bench", "unit": "kWh", "co2_kg": KG_A_KWH, "valid_from": "2020-01-01"}
    source = {"scope": 2, "method": "activity", "factor": "bench"}
    co2 = {"id": "co2", "quantity": "fraction", "unit": "%", "range": [0, 25], "full_scale": 20}
    flow = {"id": "flow", "quantity": "volume_flow", "unit": "scf/h", "range": [0, 4e6]}
    cems = [
        {**co2, **gauge, "maximum_potential": 14},
        {**flow, **gauge, "full_scale": 2e6, "maximum_potential": 1.5e6},
    ]
    stack = {
        "id": "stack",
        "scope": 1,
        "method": "stack",
        "equation": "F-11",
        "inputs": {"co2": "cems.co2", "flow": "cems.flow"},
        "validity": "part75",
        "substitution": "part75",
    }
    return json.dumps(
        {
            "facility": {"id": "f0", "name": "Benchmark", "timezone": "Europe/Vienna"},
            "devices": [
                *({"id": f"m{n}", "channels": [{"id": "e", **counter}]} for n in range(sources)),
                {"id": "cems", "channels": cems},
            ],
            "factors": [{**factor, "citation": "a round figure"}],
            "sources": [
                *({"id": f"s{n}", "input": f"m{n}.e", **source} for n in range(sources)),
                stack,
            ],
        }
    )


def build(url: str, shape: Shape, now: datetime) -> dict[str, Any]:
    """Make a store whose last whole hour ends before ``now``; return what it holds."""
    migrate.upgrade(url)
    bind = engine(url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(facility_file(shape.sources)))
    bind.dispose()
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(days=shape.days)
    with connect(url, process="test", autocommit=True) as connection:
        _copy_registry(connection, shape.facilities)
        hours = _store_hours(connection, first, last)
        _store_windows(connection, last, shape.minutes)
        summing = Summing()
        while summing.step(connection, now):
            pass
        packed = _pack_hours(connection, last)
        readings = _store_readings(connection, first, last) if shape.has_readings else 0
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return {"hours": hours, "packed_hours": packed, "readings_of_a_channel": readings}


def _copy_registry(connection: psycopg.Connection[Any], facilities: int) -> None:
    with connection.transaction():
        connection.execute(_FACILITIES, {"last": facilities - 1})
        for statement in (_DEVICES, _CHANNELS, _SOURCES, _INPUTS, _FACTORS, *_REVISIONS.split(";")):
            connection.execute(statement)
        connection.execute("UPDATE registry_revision SET revision = revision + 1")


def _store_hours(connection: psycopg.Connection[Any], first: datetime, last: datetime) -> int:
    hours = 0
    connection.execute("ALTER TABLE emission_hour DROP CONSTRAINT emission_hour_pkey")
    begins = first
    while begins < last:
        ends = min(last, begins + timedelta(days=30))
        hours += connection.execute(_HOURS, {"first": begins, "last": ends}).rowcount
        begins = ends
    connection.execute("SET maintenance_work_mem = '1GB'")
    connection.execute("ALTER TABLE emission_hour ADD PRIMARY KEY (source_id, hour)")
    connection.execute(_HOUR_INPUTS, {"first": first, "last": last})
    return hours


def _pack_hours(connection: psycopg.Connection[Any], last: datetime) -> int:
    """Pack what is old of some facilities, as the aggregator would; return how many hours."""
    pairs = connection.execute(
        "SELECT DISTINCT h.source_id, floor(extract(epoch FROM h.hour) / 3600)::int8"
        " FROM emission_hour h JOIN source s ON s.id = h.source_id"
        " JOIN facility f ON f.id = s.facility_id"
        " WHERE f.slug = ANY(%s) AND h.hour < %s",
        (list(PACKED_FACILITIES), (last - PACKED_AFTER).replace(day=1, hour=0)),
    ).fetchall()
    # of a short history nothing is old enough
    sources, hours = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    packed = 0
    for source_id, month in np.unique(np.column_stack((sources, months.months_of(hours))), axis=0):
        with connection.transaction():
            packed += months.pack(connection, int(source_id), int(month)).rows
    return packed


def _store_windows(connection: psycopg.Connection[Any], last: datetime, length: timedelta) -> None:
    lengths = [timedelta(minutes=ROLLING_MINUTES.get(span, 600)) for span in TOTALS]
    connection.execute(_MINUTES, {"first": last - length, "last": last})
    connection.execute(_WINDOWS, {"last": last, "spans": list(TOTALS), "lengths": lengths})
    connection.execute("ANALYZE emission_hour, rolling_total")
    connection.execute(_TOTALS)
    connection.execute(_PROGRESS, {"last": last})


def _store_readings(connection: psycopg.Connection[Any], first: datetime, last: datetime) -> int:
    """Store a reading a minute of the stack's channels and the first meter, and pack the old."""
    ts_us = np.arange(to_us(first), to_us(last), MINUTE_US, dtype=np.int64)
    rng = np.random.default_rng(1)
    received_us = ts_us + rng.lognormal(np.log(6_000), 0.5, ts_us.size).astype(np.int64)
    wave = np.sin(np.arange(ts_us.size) / 230)
    values = {
        "cems.co2": np.round(9.8 + wave + rng.normal(0, 0.2, ts_us.size), 2),
        "cems.flow": np.round(612_000 + 40_000 * wave + rng.normal(0, 4_000, ts_us.size)),
        "m0.e": np.round(1_000 + np.cumsum(rng.uniform(0.02, 0.06, ts_us.size)), 3),
    }
    ids = dict(
        connection.execute(
            "SELECT d.slug || '.' || c.slug, c.id FROM channel c JOIN device d"
            " ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id WHERE f.slug = 'f0'"
        ).fetchall()
    )
    packed_to = to_us(last - PACKED_AFTER) // DAY_US
    # one instant after the other, as they arrive
    size = ts_us.size * len(values)
    columns = {
        "channel_id": np.tile([ids[name] for name in values], ts_us.size).astype(np.int32),
        "ts": np.repeat(ts_us, len(values)) - POSTGRES_EPOCH_US,
        "value": np.column_stack(list(values.values())).ravel(),
        "quality": np.zeros(size, dtype=np.int16),
        "time_source": np.zeros(size, dtype=np.int16),
        "received_at": np.repeat(received_us, len(values)) - POSTGRES_EPOCH_US,
    }
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(copy_data(columns))
    for name in values:
        for day in range(to_us(first) // DAY_US, packed_to):
            # what is taken is packed by the end of the transaction
            with connection.transaction():
                days.pack(connection, ids[name], day)
    connection.execute("SELECT free_empty_chunks()")
    return int(ts_us.size)

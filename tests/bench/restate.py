"""How long corrections of a year take: of a site's factor, and of a meter's configuration.

Run by ``make bench``; writes ``.tonne/bench/restate.json``.

The site has 20 sources, each of which counts the hourly intervals of a meter of its own; all hours
are final, and what is old is packed as the aggregator packs it (``--rows``: nothing is). Then the
factor is corrected, and the clock runs from applying the file until every hour has its new version
and everybody who asks for minutes gets the new ones. Another one runs until rows of minutes have
followed. At the end hours are held against a second computation from the readings, as ``tonne
verify`` does. The year before the correction is made in SQL, because the aggregator takes minutes
for it; a month of one source is then computed by the aggregator, and must not differ in any row.

The meter has a register that is read each minute. Its transformer's ratio is corrected, and all of
its year is computed again from readings.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from services.aggregator.audit import hold, verify
from services.aggregator.packing import Packing
from services.aggregator.tick import tick
from services.core.facility.model import FacilityFile
from services.core.store.database.connect import connect, engine
from services.core.store.emissions import final_hours, recompute_request
from services.core.store.registry.apply import apply
from services.core.store.registry.plan import FacilityPlan, facility_plans
from services.core.store.schema import migrate
from tests.bench.live_latency import DurablePostgres
from tests.services import server_directory

SOURCES = 20
HOURS = 8760
FACTOR_TARGET_S = 5.0
CONFIGURATION_TARGET_S = 10.0
#: as ``TONNE_PACK_AFTER_DAYS`` is by default
PACK_AFTER_DAYS = 35
OLD_KG, NEW_KG = 0.5703, 0.5366


def facility_file(co2_kg: float) -> FacilityFile:
    """The site, with a factor of ``co2_kg`` per kWh."""
    channel = {
        "id": "e",
        "quantity": "energy",
        "unit": "kWh",
        "kind": "interval",
        "length": "1h",
        "stamp": "start",
    }
    return FacilityFile.model_validate(
        {
            "facility": {"id": "site", "name": "Site", "timezone": "Asia/Shanghai"},
            "devices": [{"id": f"m-{n}", "channels": [channel]} for n in range(SOURCES)],
            "factors": [
                {
                    "id": "grid",
                    "unit": "kWh",
                    "co2_kg": co2_kg,
                    "valid_from": "2020-01-01",
                    "citation": "the example of deploy/docs/restatement.md",
                }
            ],
            "sources": [
                {"id": f"s-{n}", "scope": 2, "method": "activity", "input": f"m-{n}.e",
                 "factor": "grid"}
                for n in range(SOURCES)
            ],
        }
    )  # fmt: skip


def meter_file(*, ratio: float) -> FacilityFile:
    """One meter with a register, behind a transformer."""
    channel = {
        "id": "e",
        "quantity": "energy",
        "unit": "kWh",
        "kind": "counter",
        "max_rate": 1000,
        "scale": ratio,
    }
    factor = {"id": "grid", "unit": "kWh", "co2_kg": OLD_KG, "valid_from": "2020-01-01"}
    source = {"id": "s", "scope": 2, "method": "activity", "input": "m.e", "factor": "grid"}
    return FacilityFile.model_validate(
        {
            "facility": {"id": "site", "name": "Site", "timezone": "Asia/Shanghai"},
            "devices": [{"id": "m", "channels": [channel]}],
            "factors": [{**factor, "citation": "the example of deploy/docs/restatement.md"}],
            "sources": [source],
        }
    )


def write(url: str, file: FacilityFile) -> None:
    """Apply the facility file."""
    bind = engine(url, process="test")
    with bind.begin() as connection:
        apply(connection, file)
    bind.dispose()


def work_off(
    connection: psycopg.Connection[Any], now: datetime, *, until: str = "SELECT NULL"
) -> FacilityPlan:
    """Tick until there is nothing left to do, or ``until`` gives true."""
    (plan,) = facility_plans(connection).values()
    done = tick(connection, plan, now)
    while done.worked and connection.execute(until).fetchone() != (True,):
        done = tick(connection, plan, now)
    return plan


_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)
SELECT c.id, %s + make_interval(hours => h), 1000 + (h * 7919 + c.id * 104729) %% 997, 0, now(), 0
FROM channel c CROSS JOIN generate_series(0, %s - 1) AS h
"""
# An amount spread evenly: of n minutes each has what the rounded sum of n has more than that of
# n - 1, and the hour has that of 60.
_MINUTES = """
INSERT INTO emission_minute
    (source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, activity, covered_ms)
SELECT i.source_id, r.ts + make_interval(mins => k), ug, ug, ug,
       floor(a * 1e9 * (k + 1) + 0.5) - floor(a * 1e9 * k + 0.5), a, 60000
FROM reading r JOIN source_input i USING (channel_id)
CROSS JOIN generate_series(0, 59) AS k
CROSS JOIN LATERAL (SELECT r.value * (60::float8 / 3600) AS a) x
CROSS JOIN LATERAL (
    SELECT (floor(a * %(co2_kg)s * 1e9 * (k + 1) + 0.5) - floor(a * %(co2_kg)s * 1e9 * k + 0.5))
           ::int8 AS ug) y
WHERE r.ts >= %(first)s AND r.ts < %(end)s ORDER BY r.ts, k, i.source_id
"""
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms,
                           version, final, quality, reason)
SELECT i.source_id, r.ts, ug, ug, ug, floor(a * 1e9 * 60 + 0.5), 3600000, 1, true, 'measured',
       'closed'
FROM reading r JOIN source_input i USING (channel_id)
CROSS JOIN LATERAL (SELECT r.value * (60::float8 / 3600) AS a) x
CROSS JOIN LATERAL (SELECT floor(a * %s * 1e9 * 60 + 0.5)::int8 AS ug) y
"""
_EACH_MINUTE = """
INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)
SELECT c.id, %s + make_interval(mins => k), 1000 + k * 0.5 + (k::int8 * 7919 %% 97) / 1000.0, 0,
       now(), 0
FROM channel c CROSS JOIN generate_series(0, %s) AS k
"""
_RESTATED = """
SELECT (SELECT count(*) FROM emission_hour WHERE final AND version = 2)
       + (SELECT coalesce(sum(versions), 0) FROM packed_hours WHERE versions = hours)::int8
"""
_TO_FOLLOW = """
SELECT coalesce(sum(extract(epoch FROM ends - begins) / 60), 0)::int8
FROM following_minutes WHERE NOT packed
"""
_ROWS = "SELECT md5(string_agg(m::text, ' ' ORDER BY m.minute)) FROM emission_minute m WHERE {}"


def closed_year(
    connection: psycopg.Connection[Any], start: datetime, hours: int, now: datetime
) -> None:
    """Readings of every hour, computed and final."""
    connection.execute(_READINGS, (start, hours))
    for begin in range(0, hours, 24 * 28):
        span = {
            "first": start + timedelta(hours=begin),
            "end": start + timedelta(hours=begin + 24 * 28),
        }
        connection.execute(_MINUTES, {"co2_kg": OLD_KG, **span})
    connection.execute(_HOURS, (OLD_KG,))
    # as rows are that have been there for a year: what nobody has read yet is dear to read first
    connection.execute("VACUUM (ANALYZE) emission_minute, emission_hour, reading")
    work_off(connection, now)
    sources = connection.execute("SELECT facility_id, id FROM source ORDER BY id LIMIT 1")
    first = int(start.timestamp()) // 60
    month = f"m.source_id = 1 AND m.minute < timestamptz '{start}' + interval '30 days'"
    made = connection.execute(_ROWS.format(month)).fetchone()
    assert connection.execute("SELECT min(id) FROM source").fetchone() == (1,)
    recompute_request.submit(connection, sources.fetchall(), first, first + 30 * 1440, "check")
    work_off(connection, now)
    assert connection.execute(_ROWS.format(month)).fetchone() == made
    row = connection.execute("SELECT count(*) FROM emission_hour_history").fetchone()
    assert row == (0,), row


def pack(connection: psycopg.Connection[Any]) -> float:
    """Pack what is old; return the seconds that it took."""
    began = time.perf_counter()
    packing = Packing(PACK_AFTER_DAYS, quiet=timedelta())
    plans = facility_plans(connection)
    while packing.step(connection, datetime.now(UTC), plans=plans):
        pass
    assert not packing.notices(), packing.notices()
    connection.execute("VACUUM (ANALYZE)")
    return time.perf_counter() - began


def checked(
    connection: psycopg.Connection[Any], plan: FacilityPlan, start: datetime, hours: int
) -> int:
    """Hours of the first and the last source that agree with a second computation."""
    first = int(start.timestamp()) // 3600
    count = 0
    of_all = final_hours.sources(connection, None)
    for of in {of.source_id: of for of in (of_all[0], of_all[-1])}.values():
        for begin, end in hold.steps(first, first + hours - 1):
            step = verify.step(connection, plan, of, begin, end, datetime.now(UTC))
            if step.differences or step.waiting:
                raise SystemExit(f"not what the readings come to: {step}")
            count += step.checked
    return count


def factor(*, hours: int, packed: bool) -> dict[str, Any]:
    """Correct the factor of the site."""
    with server_directory(for_postgres=True) as directory:
        database = DurablePostgres(directory)
        try:
            database.start()
            migrate.upgrade(database.url)
            write(database.url, facility_file(OLD_KG))
            with connect(database.url, process="test", autocommit=True) as connection:
                now = datetime.now(UTC).replace(second=0, microsecond=0)
                start = now.replace(hour=0, minute=0) - timedelta(hours=hours + 24)
                began = time.perf_counter()
                closed_year(connection, start, hours, now)
                built_s = time.perf_counter() - began
                packed_s = pack(connection) if packed else None
                connection.execute("CHECKPOINT")
                began = time.perf_counter()
                write(database.url, facility_file(NEW_KG))
                work_off(connection, now, until="SELECT NOT EXISTS (SELECT FROM recompute)")
                restated_s = time.perf_counter() - began
                row = connection.execute(_RESTATED).fetchone()
                assert row == (hours * SOURCES,), row
                (rows_to_follow,) = connection.execute(_TO_FOLLOW).fetchone() or (0,)
                plan = work_off(connection, now)
                followed_s = time.perf_counter() - began
                verified = checked(connection, plan, start, hours)
        finally:
            database.stop()
    return {
        "sources": SOURCES,
        "hours": hours,
        "restated_hours": hours * SOURCES,
        "seconds": round(restated_s, 2),
        # the target is one for the whole year
        "target_seconds": FACTOR_TARGET_S if hours == HOURS else None,
        "rows_to_follow": rows_to_follow,
        "seconds_until_rows_follow": round(followed_s, 2),
        "seconds_to_build": round(built_s, 2),
        "seconds_to_pack": None if packed_s is None else round(packed_s, 2),
        "verified_hours": verified,
    }


def configuration(*, hours: int, packed: bool) -> dict[str, Any]:
    """Correct the ratio of the meter."""
    with server_directory(for_postgres=True) as directory:
        database = DurablePostgres(directory)
        try:
            database.start()
            migrate.upgrade(database.url)
            write(database.url, meter_file(ratio=1))
            with connect(database.url, process="test", autocommit=True) as connection:
                now = datetime.now(UTC).replace(second=0, microsecond=0)
                start = now.replace(hour=0, minute=0) - timedelta(hours=hours + 24)
                connection.execute(_EACH_MINUTE, (start, hours * 60))
                source = connection.execute("SELECT facility_id, id FROM source").fetchall()
                first = int(start.timestamp()) // 60
                end = first + hours * 60
                recompute_request.submit(connection, source, first, end, "first")
                work_off(connection, now)
                connection.execute("UPDATE emission_hour SET final = true, reason = 'closed'")
                connection.execute("VACUUM (ANALYZE) emission_minute, emission_hour, reading")
                if packed:
                    pack(connection)
                connection.execute("CHECKPOINT")
                began = time.perf_counter()
                write(database.url, meter_file(ratio=2))
                plan = work_off(connection, now)
                took_s = time.perf_counter() - began
                row = connection.execute(_RESTATED).fetchone()
                assert row == (hours,), row
                verified = checked(connection, plan, start, hours)
        finally:
            database.stop()
    return {
        "hours": hours,
        "readings": hours * 60,
        "seconds": round(took_s, 2),
        "target_seconds": CONFIGURATION_TARGET_S if hours == HOURS else None,
        "verified_hours": verified,
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=HOURS, help="of each source")
    parser.add_argument("--only", choices=["factor", "configuration"])
    parser.add_argument("--rows", action="store_true", help="pack nothing before")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 2)}
    for name, measure in (("factor", factor), ("configuration", configuration)):
        if arguments.only in {None, name}:
            figures[name] = measure(hours=arguments.hours, packed=not arguments.rows)
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "restate.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

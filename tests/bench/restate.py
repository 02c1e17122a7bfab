"""How long a corrected factor takes to restate one site: 8 760 hours of 20 sources.

Run by ``make bench``; writes ``.tonne/bench/restate.json``. Each source counts the hourly intervals
of a meter of its own, and all its hours are final. Then the factor is corrected, and the clock runs
from applying the file until every hour has its new version, which is when totals and ``as_of``
answer with it. Another one runs until the minutes have followed. At the end the hours are held
against a second computation from the readings, as ``tonne verify`` does.

The year before the correction is made in SQL, because the aggregator takes minutes for it; a month
of one source is then computed by the aggregator, and must not differ in any row.
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
TARGET_S = 10.0
START = datetime(2022, 1, 1, tzinfo=UTC)
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


def write(url: str, co2_kg: float) -> None:
    """Apply the facility file."""
    bind = engine(url, process="test")
    with bind.begin() as connection:
        apply(connection, facility_file(co2_kg))
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
_ROWS = "SELECT md5(string_agg(m::text, ' ' ORDER BY m.minute)) FROM emission_minute m WHERE {}"


def closed_year(connection: psycopg.Connection[Any], hours: int, now: datetime) -> None:
    """Readings of every hour, computed and final."""
    connection.execute(_READINGS, (START, hours))
    for begin in range(0, hours, 24 * 28):
        span = {
            "first": START + timedelta(hours=begin),
            "end": START + timedelta(hours=begin + 24 * 28),
        }
        connection.execute(_MINUTES, {"co2_kg": OLD_KG, **span})
    connection.execute(_HOURS, (OLD_KG,))
    # as rows are that have been there for a year: what nobody has read yet is dear to read first
    connection.execute("VACUUM (ANALYZE) emission_minute, emission_hour, reading")
    work_off(connection, now)
    sources = connection.execute("SELECT facility_id, id FROM source ORDER BY id LIMIT 1")
    first = int(START.timestamp()) // 60
    month = f"m.source_id = 1 AND m.minute < timestamptz '{START}' + interval '30 days'"
    made = connection.execute(_ROWS.format(month)).fetchone()
    assert connection.execute("SELECT min(id) FROM source").fetchone() == (1,)
    recompute_request.submit(connection, sources.fetchall(), first, first + 30 * 1440, "check")
    work_off(connection, now)
    assert connection.execute(_ROWS.format(month)).fetchone() == made
    row = connection.execute("SELECT count(*) FROM emission_hour_history").fetchone()
    assert row == (0,), row


def checked(connection: psycopg.Connection[Any], plan: FacilityPlan, hours: int) -> int:
    """Hours of the first and the last source that agree with a second computation."""
    first = int(START.timestamp()) // 3600
    count = 0
    of_all = final_hours.sources(connection, None)
    for of in (of_all[0], of_all[-1]):
        for begin, end in hold.steps(first, first + hours - 1):
            step = verify.step(connection, plan, of, begin, end, datetime.now(UTC))
            if step.differences or step.waiting:
                raise SystemExit(f"not what the readings come to: {step}")
            count += step.checked
    return count


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=HOURS, help="of each source")
    hours = parser.parse_args().hours
    with server_directory(for_postgres=True) as directory:
        database = DurablePostgres(directory)
        try:
            database.start()
            migrate.upgrade(database.url)
            write(database.url, OLD_KG)
            with connect(database.url, process="test", autocommit=True) as connection:
                now = datetime.now(UTC).replace(second=0, microsecond=0)
                began = time.perf_counter()
                closed_year(connection, hours, now)
                built_s = time.perf_counter() - began
                connection.execute("CHECKPOINT")
                began = time.perf_counter()
                write(database.url, NEW_KG)
                work_off(connection, now, until="SELECT NOT EXISTS (SELECT FROM recompute)")
                restated_s = time.perf_counter() - began
                row = connection.execute(
                    "SELECT count(*) FROM emission_hour WHERE final AND version = 2"
                ).fetchone()
                assert row == (hours * SOURCES,), row
                plan = work_off(connection, now)
                followed_s = time.perf_counter() - began
                verified = checked(connection, plan, hours)
        finally:
            database.stop()
    figures = {
        "sources": SOURCES,
        "hours": hours,
        "restated_hours": hours * SOURCES,
        "seconds": round(restated_s, 2),
        # the target is one for the whole year
        "target_seconds": TARGET_S if hours == HOURS else None,
        "seconds_until_minutes_follow": round(followed_s, 2),
        "seconds_to_build": round(built_s, 2),
        "verified_hours": verified,
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(
        f"{hours * SOURCES} hours restated in {restated_s:.1f} s"
        f" (target: {HOURS * SOURCES} hours in {TARGET_S:.0f} s);"
        f" their minutes followed after {followed_s:.0f} s; made in {built_s:.0f} s"
    )
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "restate.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

"""How long a corrected factor takes to restate one site: 8 760 hours of 20 sources.

Run by ``make bench``; writes ``.tonne/bench/restate.json``. Each source counts the hourly intervals
of a meter of its own, and all its hours are final. Then the factor is corrected, and the clock runs
from applying the file until every hour has its new version and nothing is queued. At the end the
hours are held against a second computation of a part of them, as ``tonne verify`` does.
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

from services.aggregator import verify
from services.aggregator.tick import tick
from services.core.store import final_hours, migrate, recompute_request
from services.core.store.connect import connect, engine
from services.core.store.registry.apply import apply
from services.core.store.registry.facility_model import FacilityFile
from services.core.store.registry.plan import FacilityPlan, facility_plans
from tests.bench.live_latency import DurablePostgres
from tests.services import server_directory

SOURCES = 20
HOURS = 8760
TARGET_S = 10.0
START = datetime(2022, 1, 1, tzinfo=UTC)


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


def work_off(connection: psycopg.Connection[Any], now: datetime) -> FacilityPlan:
    """Tick until there is nothing left to do."""
    (plan,) = facility_plans(connection).values()
    done = tick(connection, plan, now)
    while done.worked:
        done = tick(connection, plan, now)
    return plan


def closed_year(connection: psycopg.Connection[Any], hours: int, now: datetime) -> None:
    """Readings of every hour, computed and final."""
    connection.execute(
        "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
        " SELECT c.id, %s + make_interval(hours => h), 1000 + (h * 7919 + c.id * 104729) %% 997,"
        " 0, now(), 0 FROM channel c CROSS JOIN generate_series(0, %s - 1) AS h",
        (START, hours),
    )
    first = int(START.timestamp()) // 60
    sources = connection.execute("SELECT facility_id, id FROM source").fetchall()
    recompute_request.submit(connection, sources, first, first + hours * 60, "source added")
    work_off(connection, now)
    connection.execute("UPDATE emission_hour SET known_at = known_at - interval '2 minutes'")
    work_off(connection, now + timedelta(minutes=1))


def checked(connection: psycopg.Connection[Any], plan: FacilityPlan, hours: int) -> int:
    """Hours of the first and the last source that agree with a second computation."""
    first = int(START.timestamp()) // 3600
    count = 0
    of_all = final_hours.sources(connection, None)
    for of in (of_all[0], of_all[-1]):
        for begin, end in verify.steps(first, first + hours - 1):
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
            write(database.url, 0.5703)
            with connect(database.url, process="test", autocommit=True) as connection:
                now = datetime.now(UTC).replace(second=0, microsecond=0)
                began = time.perf_counter()
                closed_year(connection, hours, now)
                built_s = time.perf_counter() - began
                began = time.perf_counter()
                write(database.url, 0.5366)
                plan = work_off(connection, now + timedelta(minutes=2))
                restated_s = time.perf_counter() - began
                row = connection.execute(
                    "SELECT count(*) FROM emission_hour WHERE final AND version = 2"
                ).fetchone()
                assert row == (hours * SOURCES,), row
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
        "seconds_to_build": round(built_s, 2),
        "verified_hours": verified,
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(
        f"{hours * SOURCES} hours restated in {restated_s:.1f} s"
        f" (target: {HOURS * SOURCES} hours in {TARGET_S:.0f} s)"
    )
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "restate.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

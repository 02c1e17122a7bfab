"""What factors by the hour cost: a year of fifty zones as a file, an hour revised, and a live tick.

Run by ``make bench``; writes ``.tonne/bench/hourly_factors.json``.

The file is CSV, as `tonne factors import-values` reads it, into an empty table and a second time
with another value for each hour. The site has ``--sources`` meters with a reading a minute. A tick
computes the newest minute of all of them, once with a figure as their factor and once with a
series. Then the value of an hour is revised, and the clock runs from the import until the hour of
every source is restated.

Then ``--days`` of a series are revised, each hour of them, that twenty meters of another site were
counted by: once with rows, once with packed history. The clock runs until every hour has its new
version, and another one until rows of minutes have followed; hours are then held against a second
computation from the readings, as ``tonne verify`` does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from services.aggregator.head import Head
from services.aggregator.tick import tick
from services.core.facility.file import parse
from services.core.facility.model import FacilityFile
from services.core.facility.value_file import read_csv
from services.core.store.database.connect import connect, engine
from services.core.store.factor_series import names
from services.core.store.factor_series.bring import bring
from services.core.store.registry.apply import apply
from services.core.store.registry.plan import facility_plans
from services.core.store.schema import migrate
from tests.bench import restate
from tests.bench.live_latency import DurablePostgres
from tests.services import server_directory

ZONES = 50
HOURS = 8760
TARGET_S = 10.0
_YEAR = datetime(2025, 1, 1, tzinfo=UTC)
_START = datetime(2026, 3, 2, tzinfo=UTC)
_MINUTES = 150
_TICKS = 60

_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)
SELECT c.id, %(start)s + make_interval(mins => k::int), 1000 + k * 0.5, 0, now(), 0
FROM channel c CROSS JOIN generate_series(%(first)s::int8, %(last)s) AS k
"""
_TOUCHED = """
INSERT INTO touched (facility_id, channel_ids, minutes, seconds, live)
SELECT (SELECT min(id) FROM facility), array_agg(c.id),
       array_agg((minute_of(%(start)s) + k)::int), array_agg(0::int2), true
FROM channel c CROSS JOIN generate_series(%(first)s::int8, %(last)s) AS k
"""


def year_of_zones(seed: int) -> str:
    """Return a CSV of a year of values."""
    rng = random.Random(seed)
    hours = [(_YEAR + timedelta(hours=h)).isoformat() for h in range(HOURS)]
    rows = (
        f"zone-{zone},{hour},{rng.uniform(0.02, 0.8):.4f}\n"
        for zone in range(ZONES)
        for hour in hours
    )
    return "factor,hour,co2_kg\n" + "".join(rows)


def site(sources: int, factor: str) -> str:
    """Return the site's file."""
    channels = "".join(
        f"      - {{id: e{n}, quantity: energy, unit: kWh, kind: counter, max_rate: 1e6}}\n"
        for n in range(sources)
    )
    used = "".join(
        f"  - {{id: s{n}, scope: 2, method: activity, input: m.e{n}, factor: {factor}}}\n"
        for n in range(sources)
    )
    return (
        "facility: {id: site, name: Site, timezone: UTC}\n"
        f"devices:\n  - id: m\n    channels:\n{channels}"
        "factors:\n  - {id: figure, unit: kWh, co2_kg: 0.3, citation: bench}\n"
        "  - {id: series, kind: series, unit: kWh, fallback: [month, year, figure], citation: b}\n"
        f"sources:\n{used}"
    )


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def imports(url: str) -> dict[str, float]:
    """Import the year twice, with other values the second time."""
    bind = engine(url, process="test")
    with bind.begin() as connection:
        for zone in range(ZONES):
            names.keep(connection, None, f"zone-{zone}", "kWh")
    figures: dict[str, float] = {}
    for run, seed in (("first", 1), ("revised", 2), ("unchanged", 2)):
        text = year_of_zones(seed)

        def work(text: str = text) -> None:
            values = read_csv(text, datetime.now(UTC))
            with bind.begin() as connection:
                bring(connection, values, facility=None, by="bench")

        figures[f"{run}_s"] = timed(work)
    bind.dispose()
    with connect(url, process="test", autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_total_relation_size('factor_value')::float8 / count(*) FROM factor_value"
        ).fetchone()
        figures["bytes_a_value"] = row[0] if row else 0.0
    return figures


def arrive(connection: psycopg.Connection[Any], first: int, last: int) -> None:
    """Store readings of minutes of all meters, as ingest does."""
    span = {"start": _START, "first": first, "last": last}
    with connection.transaction():
        connection.execute(_READINGS, span)
        connection.execute(_TOUCHED, span)


def ticks(url: str, sources: int, factor: str) -> float:
    """Return the median seconds of a tick of the newest minute."""
    bind = engine(url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(site(sources, factor)))
    bind.dispose()
    with connect(url, process="test", autocommit=True) as connection:
        connection.execute("TRUNCATE reading, touched, emission_minute, emission_hour, recompute")
        connection.execute("DELETE FROM rolling_total")
        connection.execute("UPDATE facility_progress SET carried_to = NULL, rolled_to = NULL")
        (plan,) = facility_plans(connection).values()
        head, took = Head(), []
        arrive(connection, 0, _MINUTES)
        for minute in range(_MINUTES + 1, _MINUTES + _TICKS + 30):
            now = _START + timedelta(minutes=minute, seconds=30)
            arrive(connection, minute, minute)
            began = time.perf_counter()
            tick(connection, plan, now, head)
            took.append(time.perf_counter() - began)
    return statistics.median(took[-_TICKS:])


def revise(url: str, sources: int) -> float:
    """Return the seconds from the import of an hour until each source has it."""
    bind = engine(url, process="test")
    row = "hour,co2_kg\n2026-03-02T01:00Z,0.123\n"
    with connect(url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        now = _START + timedelta(minutes=_MINUTES + _TICKS + 30, seconds=40)
        while tick(connection, plan, now).worked:
            pass
        began = time.perf_counter()
        with bind.begin() as writer:
            bring(writer, read_csv(row, datetime.now(UTC), "series"), facility="site", by="bench")
        pending = "SELECT count(*) FROM recompute WHERE step = 'factor' OR step = 'readings'"
        while connection.execute(pending).fetchone() != (0,):
            tick(connection, plan, now)
        took = time.perf_counter() - began
        kwh = 30.0
        restated = connection.execute(
            "SELECT count(*) FROM emission_hour WHERE hour = %s AND co2_ug = %s",
            (_START + timedelta(hours=1), round(kwh * 0.123 * 1e9)),
        ).fetchone()
        assert restated == (sources,), restated
    bind.dispose()
    return took


def site_of_series() -> FacilityFile:
    """The site of :mod:`tests.bench.restate`, with a series as its factor."""
    file = restate.facility_file(restate.OLD_KG).model_dump(mode="json", exclude_unset=True)
    file["factors"] = [{"id": "grid", "kind": "series", "unit": "kWh", "citation": "bench"}]
    return FacilityFile.model_validate(file)


def revise_long(days: int, *, packed: bool) -> dict[str, Any]:
    """Revise each hour of a series and return what that takes."""
    hours = days * 24
    with server_directory(for_postgres=True) as directory:
        postgres = DurablePostgres(directory)
        try:
            postgres.start()
            migrate.upgrade(postgres.url)
            restate.write(postgres.url, site_of_series())
            now = datetime.now(UTC).replace(second=0, microsecond=0)
            # all of it is old enough to be packed
            age = timedelta(days=restate.PACK_AFTER_DAYS + 5, hours=hours)
            start = now.replace(hour=0, minute=0) - age
            bring_values(postgres.url, start, [restate.OLD_KG] * hours)
            with connect(postgres.url, process="test", autocommit=True) as connection:
                restate.closed_year(connection, start, hours, now)
                if packed:
                    restate.pack(connection)
                connection.execute("CHECKPOINT")
                began = time.perf_counter()
                bring_values(postgres.url, start, [0.2 + h % 997 / 1000 for h in range(hours)])
                queued_s = time.perf_counter() - began
                done = "SELECT NOT EXISTS (SELECT FROM recompute)"
                restate.work_off(connection, now, until=done)
                restated_s = time.perf_counter() - began
                plan = restate.work_off(connection, now)
                followed_s = time.perf_counter() - began
                verified = restate.checked(connection, plan, start, hours)
        finally:
            postgres.stop()
    return {
        "restated_hours": hours * restate.SOURCES,
        "seconds_until_queued": round(queued_s, 2),
        "seconds": round(restated_s, 2),
        "seconds_until_rows_follow": round(followed_s, 2),
        "verified_hours": verified,
    }


def bring_values(url: str, start: datetime, kg: list[float]) -> None:
    """Bring values of the series, one an hour."""
    lines = (f"{(start + timedelta(hours=h)).isoformat()},{kg[h]}\n" for h in range(len(kg)))
    values = read_csv("hour,co2_kg\n" + "".join(lines), datetime.now(UTC), "grid")
    bind = engine(url, process="test")
    with bind.begin() as connection:
        bring(connection, values, facility="site", by="bench")
    bind.dispose()


def short(sources: int) -> dict[str, Any]:
    """Measure the import, the ticks and the revised hour."""
    with ExitStack() as ending:
        postgres = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(postgres.stop)
        postgres.start()
        url = postgres.url
        migrate.upgrade(url)
        figures: dict[str, Any] = {"sources": sources, **imports(url)}
        figures["tick_figure_s"] = ticks(url, sources, "figure")
        figures["tick_series_without_values_s"] = ticks(url, sources, "series")
        bind = engine(url, process="test")
        values = "".join(
            f"{(_START + timedelta(hours=h)).isoformat()},{0.2 + h % 24 / 100}\n"
            for h in range(-800, 8)
        )
        with bind.begin() as connection:
            parsed = read_csv("hour,co2_kg\n" + values, datetime.now(UTC), "series")
            bring(connection, parsed, facility="site", by="bench")
        bind.dispose()
        figures["tick_series_s"] = ticks(url, sources, "series")
        figures["revised_hour_s"] = revise(url, sources)
    figures["passed"] = figures["first_s"] < TARGET_S
    return figures


def main() -> None:
    """Run all of it and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--days", type=int, default=61, help="of the long revision")
    parser.add_argument("--only", choices=["short", "long"])
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 2)}
    if arguments.only != "long":
        figures |= short(arguments.sources)
    if arguments.only != "short":
        figures |= {
            f"revised_{name}": revise_long(arguments.days, packed=packed)
            for name, packed in (("rows", False), ("packed", True))
        }
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "hourly_factors.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

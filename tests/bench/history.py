"""Whether a tick costs more the more history there is: a day of it against two years.

Run by ``make bench``; writes ``.tonne/bench/history.json``. Two databases hold the same facility of
meters that report each minute, one since yesterday, the other for two years. Then both get the same
readings, a minute at a time and in turn, and each tick moves all windows on by a minute. History is
made in SQL as the aggregator would have made it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from services.aggregator.tick import tick
from services.core.facility.file import parse
from services.core.store.database.connect import connect, engine
from services.core.store.registry.apply import apply
from services.core.store.registry.plan import FacilityPlan, facility_plans
from services.core.store.schema import migrate
from tests.bench.live_latency import DurablePostgres
from tests.services import server_directory

METERS = 5
KWH_A_MINUTE = 0.5
KG_A_KWH = 0.25
TARGET_RATIO = 1.2

_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)
SELECT c.id, t, %(a_minute)s * extract(epoch FROM t - %(zero)s)::float8 / 60, 0, 0, t
FROM generate_series(%(first)s, %(last)s, interval '1 minute') AS t CROSS JOIN channel c
ORDER BY t, c.id
"""
_MINUTES = """
INSERT INTO emission_minute
    (source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, activity, covered_ms)
SELECT s.id, t, %(ug)s, %(ug)s, %(ug)s, %(a_minute)s * 1e9, %(a_minute)s, 60000
FROM generate_series(%(first)s, %(last)s - interval '1 minute', interval '1 minute') AS t
CROSS JOIN source s ORDER BY t, s.id
"""
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms,
                           version, final, quality, reason)
SELECT source_id, time_bucket('1 hour', minute), sum(co2_ug), sum(co2e_ug), sum(market_ug),
       sum(activity_n), sum(covered_ms), 1, max(minute) < %(open)s, 'measured', 'closed'
FROM emission_minute GROUP BY 1, 2
"""
_WRONG = """
SELECT count(*) FROM rolling_total r WHERE co2_ug <> (
    SELECT sum(co2_ug) FROM emission_minute m
    WHERE m.source_id = r.source_id AND m.minute BETWEEN r.since AND r.upto)
"""


def facility_file() -> str:
    """Meters, a source each."""
    counter = {"id": "e", "quantity": "energy", "unit": "kWh", "kind": "counter", "max_rate": 1000}
    factor = {"id": "bench", "unit": "kWh", "co2_kg": KG_A_KWH, "valid_from": "2020-01-01"}
    source = {"scope": 2, "method": "activity", "factor": "bench"}
    return json.dumps(
        {
            "facility": {"id": "bench", "name": "Benchmark", "timezone": "Europe/Vienna"},
            "devices": [{"id": f"m{n}", "channels": [counter]} for n in range(METERS)],
            "factors": [{**factor, "citation": "a round figure"}],
            "sources": [{"id": f"s{n}", "input": f"m{n}.e", **source} for n in range(METERS)],
        }
    )


class Works:
    """The facility in a database of its own, with ``history`` up to ``now``."""

    def __init__(self, url: str, history: timedelta, now: datetime) -> None:
        migrate.upgrade(url)
        bind = engine(url, process="test")
        with bind.begin() as connection:
            apply(connection, parse(facility_file()))
        bind.dispose()
        self.connection: psycopg.Connection[Any] = connect(url, process="test", autocommit=True)
        self._zero = now - timedelta(days=1000)
        self._store(now - history, now)
        self.connection.execute(
            _MINUTES,
            {
                "first": now - history,
                "last": now,
                "a_minute": KWH_A_MINUTE,
                "ug": round(KWH_A_MINUTE * KG_A_KWH * 1e9),
            },
        )
        self.connection.execute(_HOURS, {"open": now - timedelta(hours=2)})
        self.connection.execute("VACUUM ANALYZE")
        self._plan: FacilityPlan
        (self._plan,) = facility_plans(self.connection).values()
        self.tick_s(now + timedelta(minutes=1))

    def _store(self, first: datetime, last: datetime) -> None:
        self.connection.execute(
            _READINGS,
            {"first": first, "last": last, "a_minute": KWH_A_MINUTE, "zero": self._zero},
        )

    def tick_s(self, now: datetime) -> float:
        """Seconds of the tick that takes the readings of ``now``, and of what it leaves to do."""
        self._store(now, now)
        self.connection.execute(
            "INSERT INTO touched (facility_id, channel_ids, minutes)"
            " SELECT %s, array_agg(id), array_agg(%s::int4) FROM channel",
            (self._plan.id, int(now.timestamp()) // 60),
        )
        began = time.perf_counter()
        done = tick(self.connection, self._plan, now)
        while done.worked:
            done = tick(self.connection, self._plan, now)
        return time.perf_counter() - began


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=730, help="of the long history")
    parser.add_argument("--minutes", type=int, default=150, help="of readings after it")
    arguments = parser.parse_args()
    now = datetime(2026, 6, 15, 9, 30, tzinfo=UTC)
    with ExitStack() as ending:
        database = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(database.stop)
        database.start()
        works = []
        for days in (1, arguments.days):
            url = ending.enter_context(database.fresh_database())
            works.append(Works(url, timedelta(days=days), now))
            ending.callback(works[-1].connection.close)
        seconds: tuple[list[float], list[float]] = ([], [])
        for minute in range(2, arguments.minutes + 2):
            for of, each in zip(seconds, works, strict=True):
                of.append(each.tick_s(now + timedelta(minutes=minute)))
        for each in works:
            assert each.connection.execute(_WRONG).fetchone() == (0,)
    short, long = (statistics.median(of) for of in seconds)
    figures = {
        "sources": METERS,
        "days": [1, arguments.days],
        "ticks": arguments.minutes,
        "median_tick_s": [round(short, 5), round(long, 5)],
        "ratio": round(long / short, 3),
        "target_ratio": TARGET_RATIO,
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(figures))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "history.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

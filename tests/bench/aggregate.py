"""What the aggregator costs, and how far behind it falls.

Run by ``make bench``; writes ``.tonne/bench/aggregate.json``. Readings are written to the database
as ingest writes them, one transaction a second and facility, so that ingest is not what is
measured; a latency is the time from their commit to that of the totals that hold them. The
aggregators are processes, started as an operator starts them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from services.core.store import migrate, notify
from services.core.store.connect import connect, engine
from services.core.store.registry.apply import apply
from services.core.store.registry.facility_file import parse
from tests.bench.live_latency import DurablePostgres
from tests.e2e.stack import Service
from tests.services import server_directory

_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)
SELECT c.id, t, 1000 + extract(epoch FROM t - timestamptz '2020-01-01') / 3600, 0, 0, now()
FROM channel c JOIN device d ON d.id = c.device_id
CROSS JOIN generate_series(%(first)s, %(last)s, %(every)s::interval) AS t
WHERE d.facility_id = %(facility)s
ON CONFLICT DO NOTHING
"""
_TOUCH = """
INSERT INTO touched (facility_id, channel_ids, minutes)
SELECT %(facility)s, array_agg(c.id ORDER BY c.id), array_agg(m ORDER BY c.id)
FROM channel c JOIN device d ON d.id = c.device_id
CROSS JOIN generate_series(%(first_minute)s::int, %(last_minute)s::int) AS m
WHERE d.facility_id = %(facility)s GROUP BY m ORDER BY m RETURNING id
"""
_TURNS = "SELECT count(*) FROM process_progress WHERE instance LIKE %s"
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tonne.aggregator'"


def facility_file(number: int, channels: int) -> str:
    """A facility of counters, a source each."""
    names = [f"c{k}" for k in range(channels)]
    counter = {"quantity": "energy", "unit": "kWh", "kind": "counter", "max_rate": 1000}
    source = {"scope": 2, "method": "activity", "factor": "bench"}
    factor = {"id": "bench", "unit": "kWh", "co2_kg": 0.25, "valid_from": "2020-01-01"}
    return json.dumps(
        {
            "facility": {"id": f"f{number}", "name": "Benchmark", "timezone": "Europe/Vienna"},
            "devices": [{"id": f"m{number}", "channels": [{"id": n, **counter} for n in names]}],
            "factors": [{**factor, "citation": "a round figure"}],
            "sources": [{"id": n, "input": f"m{number}.{n}", **source} for n in names],
        }
    )


class Bench:
    """A database with facilities, and aggregators beside it."""

    def __init__(self, url: str, directory: Path, facilities: int, channels: int) -> None:
        self._directory = directory
        self._url = url
        bind = engine(url, process="test")
        with bind.begin() as connection:
            for number in range(facilities):
                apply(connection, parse(facility_file(number, channels)))
        bind.dispose()
        self.connection: psycopg.Connection[Any] = connect(url, process="test", autocommit=True)
        rows = self.connection.execute("SELECT id FROM facility ORDER BY id")
        self.facilities: list[int] = [row[0] for row in rows]

    def store(self, facility: int, first: datetime, last: datetime, every_s: float) -> list[int]:
        """Readings of each channel, committed; returns the ids of what they touched."""
        values = {
            "facility": facility,
            "first": first,
            "last": last,
            "every": f"{every_s} s",
            "first_minute": int(first.timestamp()) // 60,
            "last_minute": int(last.timestamp()) // 60,
        }
        with self.connection.transaction():
            self.connection.execute(_READINGS, values)
            rows = self.connection.execute(_TOUCH, values).fetchall()
            self.connection.execute("SELECT pg_notify(%s, '')", (notify.TOUCHED,))
        return [row[0] for row in rows]

    def waiting(self) -> set[int]:
        """Ids of what is touched and not computed."""
        return {row[0] for row in self.connection.execute("SELECT id FROM touched")}

    @contextmanager
    def aggregators(self, count: int) -> Iterator[list[Service]]:
        """That many processes, turning."""

        def turns(pid: int) -> bool:
            row = self.connection.execute(_TURNS, (f"%:{pid}",)).fetchone()
            return bool(row and row[0])

        with ExitStack() as ending:
            started = []
            for _ in range(count):
                name = self._directory / f"aggregator-{time.monotonic_ns()}"
                service = Service(name, "aggregate", {"TONNE_DATABASE_URL": self._url}, turns)
                ending.callback(service.stop)
                started.append(service)
                service.start()
            yield started

    def cpu_s(self, services: list[Service]) -> float:
        """CPU seconds of the aggregators and of their sessions in the database."""
        pids = [service.pid for service in services]
        pids += [row[0] for row in self.connection.execute(_BACKENDS)]
        ticks = 0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def live(bench: Bench, seconds: int, a_second: int) -> dict[str, Any]:
    """Readings as time goes on: ``a_second`` of each channel, a transaction each second."""
    latencies: list[float] = []
    open_since: dict[int, float] = {}

    def look() -> None:
        waiting, now_s = bench.waiting(), time.monotonic()
        done = open_since.keys() - waiting
        latencies.extend(now_s - open_since.pop(each) for each in done)

    with bench.aggregators(1) as services:
        begin, begin_s, cpu_s = datetime.now(UTC), time.monotonic(), bench.cpu_s(services)
        for second in range(seconds):
            for k, facility in enumerate(bench.facilities):
                due_s = begin_s + second + k / len(bench.facilities)
                while time.monotonic() < due_s:
                    look()
                    time.sleep(0.01)
                first = begin + timedelta(seconds=second)
                last = first + timedelta(seconds=1 - 1.0 / a_second)
                open_since |= dict.fromkeys(
                    bench.store(facility, first, last, 1.0 / a_second), time.monotonic()
                )
        took_s = time.monotonic() - begin_s
        cpu_s = bench.cpu_s(services) - cpu_s
        while open_since:
            look()
            time.sleep(0.01)
    latencies.sort()
    return {
        "fed_in_s": round(took_s, 1),
        "seconds": seconds,
        "cores": round(cpu_s / took_s, 2),
        "p50_s": round(latencies[len(latencies) // 2], 3),
        "p99_s": round(latencies[len(latencies) * 99 // 100], 3),
    }


def backlog(bench: Bench, day: datetime, hours: float, workers: int) -> dict[str, Any]:
    """Work off what piled up: a reading every 10 s of each channel."""
    row = bench.connection.execute("SELECT count(*) FROM channel").fetchone()
    with bench.aggregators(workers):
        with bench.connection.transaction():
            for facility in bench.facilities:
                bench.store(facility, day, day + timedelta(hours=hours, seconds=-10), 10.0)
        began = time.monotonic()
        while bench.waiting():
            time.sleep(0.05)
        took_s = time.monotonic() - began
    readings = int((row[0] if row else 0) * hours * 360)
    return {
        "workers": workers,
        "readings": readings,
        "s": round(took_s, 1),
        "readings_a_second": round(readings / took_s),
    }


@contextmanager
def plant(facilities: int, channels: int) -> Iterator[Bench]:
    """A database of its own, gone at the end."""
    with ExitStack() as ending:
        database = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(database.stop)
        database.start()
        migrate.upgrade(database.url)
        bench = Bench(database.url, ending.enter_context(server_directory()), facilities, channels)
        ending.callback(bench.connection.close)
        yield bench


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="of live readings")
    parser.add_argument("--hours", type=float, default=24.0, help="of 1 000 channels to catch up")
    parser.add_argument("--only", choices=["live", "fast", "backlog", "workers"])
    arguments = parser.parse_args()

    def wanted(name: str) -> bool:
        return arguments.only in {None, name}

    figures: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    for name, a_second in (("live", 1), ("fast", 3)):
        if wanted(name):
            with plant(10, 1000) as bench:
                figures[f"{10_000 * a_second}_a_second"] = live(bench, arguments.seconds, a_second)
    if wanted("backlog"):
        with plant(1, 1000) as bench:
            figures["catching_up"] = backlog(bench, day, arguments.hours, 1)
    if wanted("workers"):
        with plant(4, 250) as bench:
            one = backlog(bench, day, 4, 1)
        with plant(4, 250) as bench:
            two = backlog(bench, day, 4, 2)
        figures["workers"] = {"one": one, "two": two, "ratio": round(one["s"] / two["s"], 2)}
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "aggregate.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

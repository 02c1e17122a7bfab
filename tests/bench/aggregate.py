"""What the aggregator costs, how far behind it falls, and how fast it catches up.

Run by ``make bench``; writes ``.tonne/bench/aggregate.json``. Readings are written to the database
by ingest's own writer, in transactions of 56 ms, so that decoding messages is not what is measured.
A latency counts from the instant at which a reading is due to the event of ``/v1/stream``, whose
data are the body of ``/v1/live``, that first holds it. The processes are started as an operator
starts them. CPU is that of the aggregators and of their sessions in the database.

Two shapes of ten thousand channels, in ten facilities: ``meters`` are 5 000 meters with a register,
which is a source, and the power beside it; ``sources`` are 10 000 registers, a source each.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg

from services.core.facility.file import parse
from services.core.store.database import notify
from services.core.store.database.connect import connect, engine
from services.core.store.readings import writer
from services.core.store.readings.writer import ReadingRow
from services.core.store.registry.apply import apply
from services.core.store.schema import migrate
from tests.bench.live_latency import DurablePostgres
from tests.e2e.stack import Service
from tests.services import server_directory

STEP_KWH = 0.01
KG_A_KWH = 0.25
FLUSHES_A_SECOND = 18
#: for what is still on its way at the end
PATIENCE_S = 60.0

_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)
SELECT c.id, t, 1000 + extract(epoch FROM t - timestamptz '2020-01-01') / 3600, 0, 0, now()
FROM channel c JOIN device d ON d.id = c.device_id
CROSS JOIN generate_series(%(first)s, %(last)s, interval '10 seconds') AS t
WHERE d.facility_id = %(facility)s
ON CONFLICT DO NOTHING
"""
_TOUCH = """
INSERT INTO touched (facility_id, channel_ids, minutes)
SELECT %(facility)s, array_agg(c.id ORDER BY c.id), array_agg(m ORDER BY c.id)
FROM channel c JOIN device d ON d.id = c.device_id
CROSS JOIN generate_series(%(first_minute)s::int, %(last_minute)s::int) AS m
WHERE d.facility_id = %(facility)s GROUP BY m ORDER BY m
"""
_CHANNELS = """
SELECT d.facility_id, c.id, c.spec ->> 'kind' = 'counter', f.slug || ' ' || c.slug
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
ORDER BY d.facility_id, d.id, c.id
"""
_OLDEST = "SELECT extract(epoch FROM clock_timestamp() - min(committed_at))::float8 FROM touched"
_TURNS = "SELECT count(*) FROM process_progress WHERE instance LIKE %s"
_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s || ' %%'"


def facility_file(number: int, shape: str, sources: int) -> str:
    """A facility of registers, a source each; beside each, with ``meters``, the power."""
    counter = {"quantity": "energy", "unit": "kWh", "kind": "counter", "max_rate": 1000}
    power = {"id": "power", "quantity": "power", "unit": "kW", "kind": "gauge", "max_gap": 120}
    devices = []
    for k in range(sources):
        channels = [{"id": f"c{k}", **counter}, *([power] if shape == "meters" else [])]
        devices.append({"id": f"m{number}-{k}", "channels": channels})
    source = {"scope": 2, "method": "activity", "factor": "bench"}
    factor = {"id": "bench", "unit": "kWh", "co2_kg": KG_A_KWH, "valid_from": "2020-01-01"}
    return json.dumps(
        {
            "facility": {"id": f"f{number}", "name": "Benchmark", "timezone": "Europe/Vienna"},
            "devices": devices,
            "factors": [{**factor, "citation": "a round figure"}],
            "sources": [
                {"id": f"c{k}", "input": f"m{number}-{k}.c{k}", **source} for k in range(sources)
            ],
        }
    )


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Bench:
    """A database with facilities, and services beside it."""

    def __init__(self, url: str, directory: Path, shape: str, facilities: int, each: int) -> None:
        self._directory = directory
        self.url = url
        bind = engine(url, process="test")
        with bind.begin() as connection:
            for number in range(facilities):
                apply(connection, parse(facility_file(number, shape, each)))
        bind.dispose()
        self.connection: psycopg.Connection[Any] = connect(url, process="test", autocommit=True)
        #: facility, channel, whether a register, and its name
        self.channels: list[tuple[int, int, bool, str]] = self.connection.execute(
            _CHANNELS
        ).fetchall()
        self.facilities = sorted({channel[0] for channel in self.channels})

    def store(self, facility: int, first: datetime, last: datetime) -> None:
        """Readings of each channel every 10 s, as history."""
        values = {
            "facility": facility,
            "first": first,
            "last": last,
            "first_minute": int(first.timestamp()) // 60,
            "last_minute": int(last.timestamp()) // 60,
        }
        self.connection.execute(_READINGS, values)
        self.connection.execute(_TOUCH, values)
        self.connection.execute("SELECT pg_notify(%s, '')", (notify.INVALIDATED,))

    def waiting(self) -> bool:
        """Whether anything is touched or queued and not computed."""
        row = self.connection.execute(
            "SELECT EXISTS (SELECT FROM touched) OR EXISTS (SELECT FROM recompute)"
        ).fetchone()
        return bool(row and row[0])

    @contextmanager
    def aggregators(self, count: int) -> Iterator[list[Service]]:
        """That many processes, turning."""

        def turns(pid: int) -> bool:
            row = self.connection.execute(_TURNS, (f"%:{pid}",)).fetchone()
            return bool(row and row[0])

        with ExitStack() as ending:
            yield [self._service(ending, "aggregate", turns) for _ in range(count)]

    @contextmanager
    def api(self) -> Iterator[Service]:
        """The API, answering."""
        client = httpx.Client()

        def answers(_pid: int) -> bool:
            try:
                return client.get(f"http://127.0.0.1:{service.port}/healthz").is_success
            except httpx.TransportError:
                return False

        with ExitStack() as ending:
            ending.callback(client.close)
            service = self._service(ending, "api", answers, start=False)
            service.start()
            yield service

    def _service(self, ending: ExitStack, word: str, ready: Any, *, start: bool = True) -> Service:
        settings = {"TONNE_DATABASE_URL": self.url, "TONNE_API_AUTH": "off"}
        name = self._directory / f"{word}-{time.monotonic_ns()}"
        service = Service(name, word, settings, ready)
        ending.callback(service.stop)
        if start:
            service.start()
        return service

    def cpu_s(self, process: str, services: Iterable[Service]) -> float:
        """CPU seconds of a service's processes and of their sessions in the database."""
        sessions = self.connection.execute(_SESSIONS, (f"tonne.{process}",)).fetchall()
        return cpu_s([*(service.pid for service in services), *(row[0] for row in sessions)])


@dataclass(kw_only=True)
class Books:
    """When each reading of a source was due, and when a total first spoke of it.

    Instants are seconds of the monotonic clock; the first reading of a register has no step.
    """

    due_s: dict[str, list[float]] = field(default_factory=dict)
    seen_s: dict[str, list[float]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every step was seen."""
        return all(len(self.seen_s[k]) >= len(due) - 1 for k, due in self.due_s.items())


class _Total(msgspec.Struct):
    co2_kg: float | None


class _Hour(msgspec.Struct):
    hour: _Total = msgspec.field(name="1h")


class _Source(msgspec.Struct):
    id: str
    totals: _Hour


class _Live(msgspec.Struct):
    sources: list[_Source]


class Watcher(threading.Thread):
    """Listens to the live totals of one facility."""

    def __init__(self, url: str, facility: str, books: Books) -> None:
        super().__init__(daemon=True)
        self._url, self._facility, self._books = url, facility, books
        self.listens = threading.Event()
        self.ending = threading.Event()
        self.events = 0

    def run(self) -> None:
        """Take note of each event's totals, until told to end."""
        decoder = msgspec.json.Decoder(_Live)
        with httpx.stream(
            "GET", f"{self._url}/v1/stream", params={"facility": self._facility}, timeout=PATIENCE_S
        ) as response:
            for line in response.iter_lines():
                now_s = time.monotonic()
                self.listens.set()
                if self.ending.is_set():
                    return
                if line.startswith('data: {"as_of"'):
                    self.events += 1
                    self._note(decoder.decode(line.removeprefix("data: ")), now_s)

    def _note(self, live: _Live, now_s: float) -> None:
        for source in live.sources:
            co2_kg = source.totals.hour.co2_kg
            if co2_kg is not None:
                seen = self._books.seen_s[source.id]
                seen.extend([now_s] * (round(co2_kg / (STEP_KWH * KG_A_KWH)) - len(seen)))


class Feeder:
    """Writes each channel's readings when they are due, as ingest does, spread over a second."""

    def __init__(self, bench: Bench, a_second: int, books: Books, watched: str) -> None:
        self._connection = connect(bench.url, process="ingest", role="tonne_ingest")
        self._connection.autocommit = True
        writer.create_staging(self._connection)
        self._a_second = a_second
        slots = FLUSHES_A_SECOND // a_second
        #: channels are due in turns: those of one meter together
        self._turns: list[list[tuple[int, int, bool, str | None]]] = [[] for _ in range(slots)]
        meter = -1
        for facility, channel, register, name in bench.channels:
            meter += register
            slug, _, source = name.partition(" ")
            mine = register and slug == watched
            self._turns[meter % slots].append(
                (facility, channel, register, source if mine else None)
            )
            if mine:
                books.due_s[source], books.seen_s[source] = [], []
        self._books = books
        self._flush = 0
        self._begin_s, self._begin_us = time.monotonic(), time.time_ns() // 1000
        self.latest_s = 0.0

    def feed(self, seconds: float) -> None:
        """Go on for so long; readings are written at the end of the 56 ms in which they are due."""
        for _ in range(round(seconds * FLUSHES_A_SECOND)):
            due_s = self._begin_s + self._flush / FLUSHES_A_SECOND
            left_s = due_s + 1.0 / FLUSHES_A_SECOND - time.monotonic()
            if left_s > 0:
                time.sleep(left_s)
            else:
                self.latest_s = max(self.latest_s, -left_s)
            self._write(due_s)
            self._flush += 1

    def _write(self, due_s: float) -> None:
        slots = len(self._turns)
        step = self._flush // slots
        ts_us = self._begin_us + self._flush * 1_000_000 // FLUSHES_A_SECOND
        now_us = time.time_ns() // 1000
        rows = []
        for facility, channel, register, watched in self._turns[self._flush % slots]:
            value = round(1000.0 + step * STEP_KWH, 3) if register else 36.0 * self._a_second
            rows.append(ReadingRow(facility, channel, ts_us, value, 0, 0, now_us))
            if watched is not None:
                self._books.due_s[watched].append(due_s)
        with self._connection.transaction():
            writer.write(self._connection, rows)

    def begin_anew(self) -> None:
        """Owe nothing of what was due before now."""
        late_s = time.monotonic() - (self._begin_s + self._flush / FLUSHES_A_SECOND)
        self._begin_s += max(0.0, late_s)
        self._begin_us += round(max(0.0, late_s) * 1e6)
        self.latest_s = 0.0

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def warm_up(feeder: Feeder, books: Books) -> None:
    """Write until a total has spoken of each source, before anything is measured."""
    began_s = time.monotonic()
    while not all(books.seen_s.values()):
        feeder.feed(0.5)
        if time.monotonic() - began_s > PATIENCE_S:
            unseen = sum(not seen for seen in books.seen_s.values())
            raise SystemExit(
                f"{unseen} of {len(books.seen_s)} sources are in no total after {PATIENCE_S:.0f} s"
                f" of readings, with the writer {feeder.latest_s:.0f} s late. Let nothing else run."
            )
    print(f"warm after {time.monotonic() - began_s:.0f} s", flush=True)
    feeder.begin_anew()


def live(bench: Bench, seconds: int, a_second: int) -> dict[str, Any]:
    """Readings as time goes on, ``a_second`` of each channel, and who watches one facility."""
    books = Books()
    lags: list[float] = []
    with ExitStack() as ending:
        services = ending.enter_context(bench.aggregators(1))
        api = ending.enter_context(bench.api())
        feeder = Feeder(bench, a_second, books, "f0")
        ending.callback(feeder.close)
        watcher = Watcher(f"http://127.0.0.1:{api.port}", "f0", books)
        watcher.start()
        watcher.listens.wait(PATIENCE_S)
        processes: dict[str, list[Service]] = {"aggregator": services, "api": [api], "ingest": []}
        warm_up(feeder, books)
        warm = {source: len(due) for source, due in books.due_s.items()}
        begin_s, events = time.monotonic(), watcher.events
        before = {name: bench.cpu_s(name, each) for name, each in processes.items()}
        own_s = time.thread_time()
        for _ in range(seconds * 2):
            feeder.feed(0.5)
            if time.monotonic() - begin_s > 2 * seconds + PATIENCE_S:
                raise SystemExit(
                    f"The writer is {feeder.latest_s:.0f} s late: this machine stores fewer"
                    " readings than are written. Let nothing else run."
                )
            row = bench.connection.execute(_OLDEST).fetchone()
            lags.append(row[0] if row and row[0] is not None else 0.0)
        took_s = time.monotonic() - begin_s
        own_s = time.thread_time() - own_s
        cores = {
            name: round((bench.cpu_s(name, each) - before[name]) / took_s, 2)
            for name, each in processes.items()
        }
        events = watcher.events - events
        fed_s = time.monotonic()
        while not books.complete and time.monotonic() < fed_s + PATIENCE_S:
            time.sleep(0.05)
        drained_s = time.monotonic() - fed_s
        watcher.ending.set()
    found = sorted(
        seen - due
        for source, dues in books.due_s.items()
        for due, seen in list(zip(dues[1:], books.seen_s[source], strict=False))[warm[source] :]
    )
    lags.sort()
    return {
        "seconds": round(took_s, 1),
        "readings_a_second": len(bench.channels) * a_second,
        "sources": sum(register for _, _, register, _ in bench.channels),
        "cores": cores["aggregator"],
        "live_p50_s": round(found[len(found) // 2], 3),
        "live_p99_s": round(found[len(found) * 99 // 100], 3),
        "live_max_s": round(found[-1], 3),
        "live_unseen": sum(len(d) - 1 for d in books.due_s.values())
        - sum(len(s) for s in books.seen_s.values()),
        "oldest_waiting_p50_s": round(lags[len(lags) // 2], 3),
        "oldest_waiting_p99_s": round(lags[len(lags) * 99 // 100], 3),
        "seen_after_end_s": round(drained_s, 1),
        "events_a_second": round(events / took_s, 1),
        "beside": {
            "api_cores": cores["api"],
            "writer_cores": round(cores["ingest"] + own_s / took_s, 2),
            "writer_late_s": round(feeder.latest_s, 2),
        },
    }


def backlog(bench: Bench, day: datetime, hours: float, workers: int) -> dict[str, Any]:
    """Work off what piled up: a reading every 10 s of each channel."""
    with bench.aggregators(workers):
        with bench.connection.transaction():
            for facility in bench.facilities:
                bench.store(facility, day, day + timedelta(hours=hours, seconds=-10))
        began = time.monotonic()
        while bench.waiting():
            time.sleep(0.05)
        took_s = time.monotonic() - began
    count = int(len(bench.channels) * hours * 360)
    return {
        "workers": workers,
        "readings": count,
        "s": round(took_s, 1),
        "readings_a_second": round(count / took_s),
    }


@contextmanager
def plant(shape: str, facilities: int, each: int) -> Iterator[Bench]:
    """A database of its own with so many sources in each facility, gone at the end."""
    with ExitStack() as ending:
        database = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(database.stop)
        database.start()
        migrate.upgrade(database.url)
        bench = Bench(
            database.url, ending.enter_context(server_directory()), shape, facilities, each
        )
        ending.callback(bench.connection.close)
        yield bench


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=65, help="of live readings")
    parser.add_argument("--hours", type=float, default=24.0, help="of 1 000 channels to catch up")
    parser.add_argument("--only", choices=["live", "fast", "backlog", "workers"])
    parser.add_argument("--shape", choices=["meters", "sources"])
    arguments = parser.parse_args()

    def wanted(name: str) -> bool:
        return arguments.only in {None, name}

    figures: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    for name, a_second in (("live", 1), ("fast", 3)):
        for shape, each in (("meters", 500), ("sources", 1000)):
            if wanted(name) and arguments.shape in {None, shape}:
                print(f"{name}, {shape}: configuring ten facilities", flush=True)
                with plant(shape, 10, each) as bench:
                    figure = figures[f"{name}_{shape}"] = live(bench, arguments.seconds, a_second)
                    print(json.dumps(figure), flush=True)
    if wanted("backlog"):
        with plant("sources", 1, 1000) as bench:
            figures["catching_up"] = backlog(bench, day, arguments.hours, 1)
    if wanted("workers"):
        with plant("sources", 4, 250) as bench:
            one = backlog(bench, day, 4, 1)
        with plant("sources", 4, 250) as bench:
            two = backlog(bench, day, 4, 2)
        figures["workers"] = {"one": one, "two": two, "ratio": round(one["s"] / two["s"], 2)}
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "aggregate.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

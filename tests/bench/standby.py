"""What a standby takes from the primary: processor time and answers a second, with and without.

Run by hand: ``python -m tests.bench.standby``; prints JSON. The same questions go to an API that
reads from the primary and to one that reads from its standby, in turn, one after the other and
twelve at once, while somebody commits ten times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from statistics import median

import httpx
import psycopg

from services.core.store.schema import migrate
from tests.applying import apply_text
from tests.bench.aggregate import cpu_s, facility_file
from tests.bench.api import api
from tests.bench.cells import server_cpu_s
from tests.e2e.stack import Service
from tests.patience import until
from tests.services import Postgres, server_directory
from tests.standby_server import StandbyServer

_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, t, 250000000, 250000000, 250000000, 3600000, 1, true, 'measured', 'closed', t, t
FROM source s, generate_series(timestamptz '2026-11-01', timestamptz '2026-11-29', '1 hour') t
"""
_DATABASE = "tonne"
_FACILITIES = 8
_SOURCES = 25
_COUNT = 100
_FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def _devices(_number: int) -> str:
    return "/v1/devices"


# the spans differ, so that nothing is sent again that was answered
def _day(number: int) -> str:
    first = _FIRST + timedelta(hours=number % 600)
    return _hours(first, first + timedelta(days=1)) + f"&facility=f{number // 600 % _FACILITIES}"


def _month(number: int) -> str:
    first, last = _FIRST + timedelta(hours=number % 60), _FIRST + timedelta(days=25)
    return _hours(first, last + timedelta(hours=number // 60)) + "&group_by=scope&limit=700"


def _hours(first: datetime, last: datetime) -> str:
    return f"/v1/emissions?from={first:%Y-%m-%dT%H:00:00Z}&to={last:%Y-%m-%dT%H:00:00Z}&interval=1h"


_QUESTIONS = {
    "devices": _devices,
    "hours of a day": _day,
    "a month of all by scope": _month,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with ExitStack() as ending:
        primary = Postgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(primary.stop)
        primary.start()
        primary.execute(f"CREATE DATABASE {_DATABASE}")
        url = primary.url_of(_DATABASE)
        migrate.upgrade(url)
        for number in range(_FACILITIES):
            apply_text(url, facility_file(number, "sources", _SOURCES))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_HOURS.encode())
            connection.execute("ANALYZE")
        standby = StandbyServer(ending.enter_context(server_directory(for_postgres=True)), primary)
        ending.callback(standby.stop)
        standby.start()
        standby.catch_up()
        folders = [ending.enter_context(server_directory()) for _ in range(2)]
        alone = ending.enter_context(api(url, folders[0]))
        beside = ending.enter_context(
            api(url, folders[1], TONNE_API_READS_URL=standby.url_of(_DATABASE))
        )
        until(lambda: "tonne_api_standby_used 1.0" in _metrics(beside), "the standby is used")
        ending.enter_context(_committing(url))
        figures: dict[str, object] = {"load_average": os.getloadavg()[0]}
        for name in _QUESTIONS:
            for at_once in (1, 12):
                figures[f"{name}, {at_once} at once"] = _asked(
                    {"primary alone": alone, "with a standby": beside},
                    (primary, standby),
                    name,
                    at_once,
                    arguments.rounds,
                )
        figures["reads"] = [
            line
            for line in _metrics(beside).splitlines()
            if line.startswith(("tonne_api_reads_total", "tonne_api_standby_fallbacks_total",
                                "tonne_api_fence_seconds_sum", "tonne_api_fence_seconds_count"))
        ]  # fmt: skip
        print(json.dumps(figures, indent=1))


def _metrics(service: Service) -> str:
    return httpx.get(f"http://127.0.0.1:{service.port}/metrics").text


@contextmanager
def _committing(url: str) -> Iterator[None]:
    ended = threading.Event()

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not ended.wait(0.1):
                connection.execute("UPDATE device SET last_seen = now() WHERE id = 1")

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield
    finally:
        ended.set()
        writing.join()


def _asked(
    services: dict[str, Service],
    servers: tuple[Postgres, Postgres],
    name: str,
    at_once: int,
    rounds: int,
) -> dict[str, dict[str, float]]:
    """Ask each API in turn; medians of rounds: answers a second, processor time of an answer."""
    told: dict[str, list[tuple[float, ...]]] = {of: [] for of in services}

    def used(service: Service) -> list[float]:
        while True:
            # a session may end while it is looked at
            with suppress(FileNotFoundError):
                return [cpu_s([service.pid]), *(server_cpu_s(server.pid) for server in servers)]

    for turn in range(rounds + 1):
        for of, service in services.items():
            before = used(service)
            with (
                httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=60) as client,
                ThreadPoolExecutor(at_once) as pool,
            ):
                calls = [
                    _QUESTIONS[name](((at_once > 1) * (rounds + 1) + turn) * _COUNT + number)
                    for number in range(_COUNT)
                ]
                began_s = time.monotonic()
                for answer in pool.map(client.get, calls):
                    answer.raise_for_status()
                took_s = time.monotonic() - began_s
            after = used(service)
            spent = (1000 * (b - a) / _COUNT for a, b in zip(before, after, strict=True))
            # the first round is to connect
            if turn:
                told[of].append((_COUNT / took_s, *spent))
    print(name, at_once, file=sys.stderr, flush=True)
    names = ("answers_per_s", "api_cpu_ms", "primary_cpu_ms", "standby_cpu_ms")
    return {
        of: dict(
            zip(names, (round(median(part), 2) for part in zip(*rows, strict=True)), strict=True)
        )
        for of, rows in told.items()
    }


if __name__ == "__main__":
    main()

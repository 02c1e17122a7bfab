"""What a standby takes from the primary: processor time of both, of an API with and without it.

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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

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
_QUESTIONS = {
    "devices": "/v1/devices",
    # the spans differ, so that nothing is sent again that was answered
    "hours of a day": "/v1/emissions?from=2026-11-20T{n:02}:00:00Z&to=2026-11-21T{n:02}:00:00Z"
    "&interval=1h&facility=f{f}",
    "a month of all by scope": "/v1/emissions?from=2026-11-01T{n:02}:00:00Z&to=2026-11-28T00:00:00Z"
    "&interval=1h&group_by=scope&limit=700",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
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
    """Ask each API in turn; milliseconds of processor time of an answer."""
    count = 60
    spent = {of: [0.0, 0.0, 0.0] for of in services}

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
                    _QUESTIONS[name].format(n=(turn * count + i) % 24, f=i % _FACILITIES)
                    for i in range(count)
                ]
                for answer in pool.map(client.get, calls):
                    answer.raise_for_status()
            after = used(service)
            # the first round is to connect
            for part in range(3) if turn else ():
                spent[of][part] += after[part] - before[part]
    print(name, at_once, file=sys.stderr, flush=True)
    names = ("api_cpu_ms", "primary_cpu_ms", "standby_cpu_ms")
    return {
        of: {
            part: round(1000 * seconds / (rounds * count), 2)
            for part, seconds in zip(names, spent[of], strict=True)
        }
        for of in services
    }


if __name__ == "__main__":
    main()

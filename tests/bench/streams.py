"""How long a change of totals takes to the last of ten thousand who watch.

Run by ``make bench``; writes ``.tonne/bench/streams.json``. One API process serves streams of one
facility of 20 sources, then of a hundred, all of which change at once. The clients are one process
with raw sockets, which share the machine with the API. A latency counts from the commit of a change
to the last byte of the event at the last client; events are compressed, as browsers ask for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.database import notify
from tests.bench.answers.store import Shape, build
from tests.bench.api import api, database
from tests.services import server_directory

TARGET_P99_MS = 250.0
TARGET_RSS_MB = 1024
#: more than between two events of a facility
PAUSE_S = 1.0

CHANGE = """
WITH changed AS (
    UPDATE facility_progress p SET sequence = sequence + 1, changed_at = clock_timestamp()
    FROM facility f WHERE f.id = p.facility_id AND f.slug = ANY(%s) RETURNING f.slug)
SELECT pg_notify(%s, slug) FROM changed
"""


def resident_mb(pid: int) -> int:
    """Memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise AssertionError(pid)


def measure(
    url: str, directory: Path, *, facilities: int, streams: int, rounds: int
) -> dict[str, Any]:
    """Open streams, change totals again and again; return the figures."""
    slugs = [f"f{number}" for number in range(facilities)]
    watching = [sys.executable, "-m", "tests.bench.answers.watchers"]
    with ExitStack() as ending:
        service = ending.enter_context(api(url, directory))
        connection = ending.enter_context(psycopg.connect(url, autocommit=True))
        began = time.monotonic()
        watchers = subprocess.Popen(
            [*watching, str(service.port), str(facilities), str(streams)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ending.callback(watchers.wait)
        ending.callback(watchers.kill)
        assert watchers.stdin is not None
        assert watchers.stdout is not None

        def said() -> str:
            line = watchers.stdout.readline().strip() if watchers.stdout else ""
            if not line:
                raise SystemExit("streams: the clients ended")
            return line

        said()
        opened_s = time.monotonic() - began
        median, last = [], []
        for _ in range(rounds):
            time.sleep(PAUSE_S)
            print("next", file=watchers.stdin, flush=True)
            said()
            connection.execute(CHANGE, (slugs, notify.LIVE))
            committed_s = time.monotonic()
            seen = json.loads(said())
            median.append(1e3 * (seen[0] - committed_s))
            last.append(1e3 * (seen[1] - committed_s))
        resident = resident_mb(service.pid)
    last.sort()
    median.sort()
    return {
        "streams": streams,
        "facilities": facilities,
        "events": rounds,
        "opened_s": round(opened_s, 1),
        "at_half_p50_ms": round(median[rounds // 2]),
        "at_last_p50_ms": round(last[rounds // 2]),
        "at_last_p99_ms": round(last[min(rounds - 1, rounds * 99 // 100)]),
        "resident_mb": resident,
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--facilities", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--rounds", type=int, default=50, help="changes")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {
        "target_p99_ms": TARGET_P99_MS,
        "target_resident_mb": TARGET_RSS_MB,
        "cases": [],
    }
    shape = Shape(facilities=max(2, *arguments.facilities), days=2)
    with ExitStack() as ending:
        url = ending.enter_context(database())
        build(url, shape, datetime.now(UTC))
        for facilities in arguments.facilities:
            for streams in arguments.streams:
                directory = ending.enter_context(server_directory())
                case = measure(
                    url,
                    directory,
                    facilities=facilities,
                    streams=streams,
                    rounds=arguments.rounds,
                )
                figures["cases"].append(case)
                print(json.dumps(case), flush=True)
    figures["load_average"] = round(os.getloadavg()[0], 2)
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "streams.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

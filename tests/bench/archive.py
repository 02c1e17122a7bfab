"""How fast packed readings are archived and restored, and what they take in Parquet.

Run by ``make bench``; writes ``.tonne/bench/archive.json``. The series are those of
``tests/bench/packing.py``, packed in a database, archived to a folder on the same disk, taken away
and brought back by ``tonne archive``. Rates are of one process, with the database beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.database.connect import connect
from services.core.store.readings.packing import days
from services.core.store.schema import migrate
from tests.bench import packing
from tests.bench.live_latency import DurablePostgres
from tests.command import tonne
from tests.services import server_directory

_DAYS = "SELECT DISTINCT channel_id, floor(extract(epoch FROM ts) / 86400)::int FROM reading"


def _facility(channels: int) -> str:
    gauges = "".join(
        f"      - {{id: c{number}, quantity: power, unit: kW, kind: gauge}}\n"
        for number in range(channels)
    )
    facility = "facility: {id: bench, name: Bench, timezone: UTC}"
    return f"{facility}\ndevices:\n  - id: d\n    channels:\n{gauges}"


def _timed(url: str, *words: object) -> float:
    began = time.perf_counter()
    ended = tonne(url, *words)
    assert ended.code == 0, ended.said
    return time.perf_counter() - began


def measured(
    connection: psycopg.Connection[Any], url: str, folder: Path, series: Iterator[packing.Series]
) -> dict[str, Any]:
    """Store series as they arrive live, pack, archive, remove and restore them."""
    total = packing.stored(connection, series, packing.live)
    connection.execute("TRUNCATE archive_file, archived_span")
    for channel_id, day in connection.execute(_DAYS).fetchall():
        with connection.transaction():
            days.pack(connection, channel_id, day)
    packed = connection.execute(
        "SELECT sum(octet_length(series) + octet_length(arrival)) FROM packed_readings"
    ).fetchone()
    took = {
        "archive": _timed(url, "archive", "--to", folder),
        "verify": _timed(url, "archive", "verify"),
        "remove": _timed(url, "archive", "remove", "--before", "2026-04", "--yes"),
    }
    files = connection.execute(
        "SELECT to_char(month, 'YYYY-MM'), readings, bytes FROM archive_file ORDER BY month"
    ).fetchall()
    took["restore"] = sum(_timed(url, "archive", "restore", "bench", file[0]) for file in files)
    assert packed is not None
    assert sum(file[1] for file in files) == total
    return {
        "readings": total,
        "bytes_packed": round(int(packed[0]) / total, 2),
        "bytes_in_parquet": round(sum(file[2] for file in files) / total, 2),
        "archived_readings_s": round(total / took["archive"]),
        "verified_readings_s": round(total / took["verify"]),
        "removed_s": round(took["remove"], 2),
        "restored_readings_s": round(total / took["restore"]),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--result", type=Path, default=Path(".tonne/bench/archive.json"))
    given = parser.parse_args()
    figures: dict[str, Any] = {"days": given.days, "load": os.getloadavg()[0]}
    kinds = {
        "the demo": lambda: packing.demo(given.days),
        "1 Hz": lambda: packing.each_second(given.days),
        "a household's hours": packing.household,
    }
    with ExitStack() as stack:
        directory = stack.enter_context(server_directory(for_postgres=True))
        server = DurablePostgres(directory)
        stack.callback(server.kill)
        server.start()
        migrate.upgrade(server.url)
        file = directory / "bench.yaml"
        file.write_text(_facility(packing.HOUSEHOLDS))
        applied = tonne(server.url, "apply", file)
        assert applied.code == 0, applied.said
        with connect(server.url, process="test", autocommit=True) as connection:
            for name, series in kinds.items():
                folder = directory / name.replace(" ", "-")
                figures[name] = measured(connection, server.url, folder, series())
                print(name, json.dumps(figures[name]))
    given.result.parent.mkdir(parents=True, exist_ok=True)
    given.result.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

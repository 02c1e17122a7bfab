"""What one cell of many devices costs, that send seldom: once a minute, or once in ten seconds.

Run by hand: ``python -m tests.bench.many_devices --devices 100000 --every 60``; prints JSON and
writes ``.tonne/bench/many_devices.json``. A device is a register with a source. Their registry is
one facility's, copied in SQL; readings are written by ingest's own writer when they are due, and an
aggregator runs as an operator starts it. Of each minute its processor time is told with that of its
session, the writer's with its session's, and how much waits: what a day costs follows from that.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from services.core.store.database.connect import connect
from services.core.store.readings import writer
from services.core.store.readings.writer import ReadingRow
from services.core.store.registry import read
from services.core.store.registry.plan import facility_plans
from tests.bench.aggregate import Bench, cpu_s, plant
from tests.e2e.stack import Service

#: Devices of one facility.
SITE: Final = 1000

_COPIES: Final = (
    (
        "INSERT INTO facility (slug, name, timezone, document)"
        " SELECT 'f' || n, name, timezone, document FROM facility, generate_series(1, %(more)s) n"
    ),
    (
        "INSERT INTO facility_progress (facility_id, sequence) SELECT id, 0 FROM facility"
        " ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO device (facility_id, slug, format, spec) SELECT f.id, d.slug, d.format, d.spec"
        " FROM facility f, device d WHERE f.slug <> 'f0'"
    ),
    (
        "INSERT INTO channel (device_id, slug, quantity, unit, kind, spec) SELECT d.id, c.slug,"
        " c.quantity, c.unit, c.kind, c.spec FROM device d JOIN device o ON o.slug = d.slug"
        " JOIN facility f ON f.id = o.facility_id AND f.slug = 'f0' JOIN channel c"
        " ON c.device_id = o.id WHERE d.id <> o.id"
    ),
    (
        "INSERT INTO source (facility_id, slug, scope, method, activity_unit, spec) SELECT f.id,"
        " s.slug, s.scope, s.method, s.activity_unit, s.spec FROM facility f, source s"
        " WHERE f.slug <> 'f0'"
    ),
    (
        "INSERT INTO factor (facility_id, slug, unit, basis, co2_kg, ch4_kg, n2o_kg, ch4_origin,"
        " valid_from, release, citation) SELECT f.id, x.slug, x.unit, x.basis, x.co2_kg, x.ch4_kg,"
        " x.n2o_kg, x.ch4_origin, x.valid_from, x.release, x.citation FROM facility f, factor x"
        " WHERE f.slug <> 'f0' AND x.facility_id = (SELECT id FROM facility WHERE slug = 'f0')"
    ),
    (
        "INSERT INTO source_input (source_id, role, channel_id) SELECT s.id, 'input', c.id"
        " FROM source s JOIN channel c ON c.slug = s.slug JOIN device d ON d.id = c.device_id"
        " AND d.facility_id = s.facility_id ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO channel_revision (channel_id, spec) SELECT id, spec FROM channel"
        " ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO source_revision (source_id, spec) SELECT id, spec FROM source"
        " ON CONFLICT DO NOTHING"
    ),
    "UPDATE registry_revision SET revision = revision + 1",
    "ANALYZE",
)


def resident_mb(pid: int) -> int:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def timed(action: Any) -> float:
    """Processor seconds of this process for an action."""
    began = time.process_time()
    action()
    return round(time.process_time() - began, 2)


def minutes(bench: Bench, aggregator: Service, every_s: int, count: int) -> list[dict[str, Any]]:
    """Write readings when they are due, second by second, and look at each minute."""
    connection = connect(bench.url, process="ingest", role="tonne_ingest", autocommit=True)
    writer.create_staging(connection)
    session = connection.info.backend_pid
    turns = [bench.channels[second::every_s] for second in range(every_s)]
    figures = []
    begin_s, latest_s = time.monotonic(), 0.0
    computed = 0
    for minute in range(count):
        before = bench.cpu_s("aggregator", [aggregator]), cpu_s([session]), time.process_time()
        for second in range(minute * 60, minute * 60 + 60):
            wait_s = begin_s + second - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            latest_s = max(latest_s, -wait_s)
            now_us = time.time_ns() // 1000
            rows = [
                ReadingRow(facility, channel, now_us, 1000.0 + second * 0.01, 0, 0, now_us)
                for facility, channel, _, _ in turns[second % every_s]
            ]
            with connection.transaction():
                writer.write(connection, rows)
        waiting = bench.connection.execute(
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(committed_at)), 0)::float8"
            " FROM touched"
        ).fetchone()
        stored = bench.connection.execute("SELECT count(*) FROM emission_minute").fetchone()
        so_far, computed = computed, int(stored[0]) if stored else 0
        figures.append(
            {
                "source_minutes": computed - so_far,
                "aggregator_cpu_s": round(bench.cpu_s("aggregator", [aggregator]) - before[0], 2),
                "writer_session_cpu_s": round(cpu_s([session]) - before[1], 2),
                "writer_cpu_s": round(time.process_time() - before[2], 2),
                "waits_s": round(waiting[0], 1) if waiting else 0.0,
                "writer_late_s": round(latest_s, 1),
                "aggregator_mb": resident_mb(aggregator.pid),
            }
        )
        print(json.dumps(figures[-1]), flush=True)
    connection.close()
    return figures


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=60, help="seconds between readings")
    parser.add_argument("--minutes", type=int, default=4)
    arguments = parser.parse_args()
    with ExitStack() as ending:
        bench = ending.enter_context(plant("sources", 1, SITE))
        for statement in _COPIES:
            bench.connection.execute(
                statement.encode(),
                {"more": arguments.devices // SITE - 1} if "%(" in statement else None,
            )
        bench.channels = bench.connection.execute(
            "SELECT d.facility_id, c.id, true, c.slug FROM channel c JOIN device d"
            " ON d.id = c.device_id ORDER BY d.slug, c.id"
        ).fetchall()
        figures: dict[str, Any] = {
            "load_average": os.getloadavg()[0],
            "devices": len(bench.channels),
            "every_s": arguments.every,
            "registry_of_ingest_cpu_s": timed(lambda: read.devices(bench.connection)),
            "registry_of_aggregator_cpu_s": timed(lambda: facility_plans(bench.connection)),
        }
        print(json.dumps(figures), flush=True)
        (aggregator,) = ending.enter_context(bench.aggregators(1))
        figures["minutes"] = minutes(bench, aggregator, arguments.every, arguments.minutes)
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "many_devices.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

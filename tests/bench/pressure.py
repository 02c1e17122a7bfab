"""What ingest does under pressure: an hour without the database, and a flood of invalid messages.

Run by ``make bench``; writes ``.tonne/bench/pressure.json``. All of tonne runs, with the broker and
a database whose commits are on disk, on one machine.

- **outage**: the database stops; meters go on publishing for an hour at 1 000 messages a second
  (their 3.6 million messages are sent as fast as the broker takes them, stamped over that hour);
  the database starts, and the meters go on at 1 000 a second while the backlog drains. At the end
  every acknowledged reading is looked for.
- **flood**: meters publish at a steady rate while one device sends five times as many messages that
  go to quarantine; how long the meters' readings take to be seen in the database, with the flood
  and without.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.schema import migrate
from tests.bench.live_latency import DurablePostgres
from tests.e2e.stack import Stack, running_stack
from tests.services import Nats, server_directory

LIVE_RATE = 1_000
LIVE_DEVICES = 1_000
HOUR_S = 3_600
#: The newest reading is not older than this once the backlog is gone.
CAUGHT_UP_S = 2.0

STEADY_RATE = 500
STEADY_DEVICES = 50
FLOOD_RATE = 2_500
#: Longer than the broker waits before it delivers again what was in hand.
SETTLED_S = 12.0
LOOK_EVERY_S = 0.005

_SIM = Path(sys.executable).parent / "tonne-sim"

_NEWEST = """
SELECT extract(epoch FROM n.ts)::float8
FROM device d JOIN channel c ON c.device_id = d.id AND c.slug = 'import-energy'
CROSS JOIN LATERAL (
    SELECT r.ts FROM reading r WHERE r.channel_id = c.id ORDER BY r.ts DESC LIMIT 1) n
WHERE d.slug LIKE %s ORDER BY d.id
"""
# The first channel carries the message's number: without a hole from the first on, each one once.
_STORED = """
SELECT d.slug, count(*), count(DISTINCT r.value), min(r.value)::int8, max(r.value)::int8
FROM device d JOIN channel c ON c.device_id = d.id AND c.slug = 'import-energy'
JOIN reading r ON r.channel_id = c.id
WHERE d.slug LIKE %s GROUP BY d.slug
"""


@dataclass(kw_only=True)
class World:
    """All of tonne, and the servers beneath it."""

    database: DurablePostgres
    broker: Nats
    stack: Stack

    def sim(self, *arguments: str) -> list[str]:
        """The command line of a load against this broker."""
        return [str(_SIM), "load", "--broker", self.broker.url, "--json", *arguments]

    def add_devices(self, *arguments: str) -> None:
        """Bring a load's devices into the registry."""
        printed = subprocess.run(
            self.sim("--print-facility", *arguments), check=True, capture_output=True, text=True
        )
        file = self.stack.directory / "load.yaml"
        file.write_text(printed.stdout)
        self.stack.apply(file)

    @contextmanager
    def load(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A load beside what is done meanwhile; it is killed at the end."""
        with subprocess.Popen(self.sim(*arguments), stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def connect(self) -> psycopg.Connection[Any]:
        """A session of the benchmark's own."""
        return psycopg.connect(self.database.url, autocommit=True)


def stop(process: subprocess.Popen[str]) -> dict[str, Any]:
    """End a load in order and return what it knows."""
    process.send_signal(signal.SIGTERM)
    return books(process)


def books(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a load's end and return what it knows."""
    printed, _ = process.communicate(timeout=1_900)
    found: dict[str, Any] = json.loads(printed)
    return found


@contextmanager
def running_world() -> Iterator[World]:
    """Servers and services on free ports, gone at the end."""
    with ExitStack() as ending:
        database = DurablePostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(database.stop)
        database.start()
        migrate.upgrade(database.url)
        broker = Nats(ending.enter_context(server_directory()))
        ending.callback(broker.stop)
        broker.start()
        stack = running_stack(database_url=database.url, mqtt_url=broker.url)
        yield World(database=database, broker=broker, stack=ending.enter_context(stack))


def peak_memory_mb(pid: int) -> float:
    """The most resident memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise ValueError(f"process {pid} states no peak memory")


def wrong_devices(world: World, result: dict[str, Any], pattern: str) -> int:
    """Devices of a load of which not every acknowledged message is stored exactly once.

    One that was sent and never acknowledged may be stored or not.
    """
    with world.connect() as connection:
        stored = {row[0]: row[1:] for row in connection.execute(_STORED, (pattern,))}
    first, wrong = result["first_number"], 0
    for device in result["devices"]:
        count, distinct, least, limit = stored.get(device["id"], (0, 0, first, first - 1))
        whole = count == distinct == limit - least + 1 and least == first
        wrong += not (whole and device["contiguous"] <= count <= device["sent"])
    return wrong


def outage(world: World, messages: int) -> dict[str, Any]:
    """An hour without the database."""
    backlog_is = ("--facility", "backlog", "--prefix", "backlog", "--devices", str(LIVE_DEVICES))
    live_is = ("--facility", "live", "--prefix", "live", "--devices", str(LIVE_DEVICES))
    world.add_devices(*backlog_is)
    world.add_devices(*live_is)
    world.database.stop()
    say(f"the database is away; sending {messages} messages")
    history = ("--history", str(HOUR_S), "--count", str(messages), "--duration", "1800")
    with world.load(*backlog_is, *history, "--rate", "max", "--drain", "60") as process:
        backlog = books(process)
    say(f"{backlog['acknowledged']} acknowledged at {backlog['messages_per_s']:.0f}/s")
    world.database.start()
    returned_s = time.monotonic()
    latest_s = worst_s = CAUGHT_UP_S
    with world.load(*live_is, "--rate", str(LIVE_RATE), "--duration", "1800") as process:
        with world.connect() as connection:
            while latest_s >= CAUGHT_UP_S:
                time.sleep(0.5)
                seen = [row[0] for row in connection.execute(_NEWEST, ("live-%",))]
                waited_s = max(CAUGHT_UP_S, time.monotonic() - returned_s)
                latest_s = time.time() - max(seen) if seen else waited_s
                worst_s = max(worst_s, latest_s)
        drained_s = time.monotonic() - returned_s
        live = stop(process)
    say(f"drained in {drained_s:.0f} s")
    settle(world)
    per_s = (backlog["acknowledged"] + LIVE_RATE * drained_s) / drained_s
    return {
        "messages": backlog["acknowledged"],
        "live_rate": LIVE_RATE,
        "drained_s": round(drained_s, 1),
        "stored_messages_per_s": round(per_s),
        "times_the_live_rate": round(per_s / LIVE_RATE, 1),
        "newest_reading_late_by_s": round(worst_s, 1),
        "ingest_peak_memory_mb": peak_memory_mb(world.stack.ingest.pid),
        "devices_with_loss_or_doubles": wrong_devices(world, backlog, "backlog-%")
        + wrong_devices(world, live, "live-%"),
    }


def settle(world: World) -> None:
    """Wait until ingest has stored what the broker still held."""
    before, since_s = -1.0, time.monotonic()
    while time.monotonic() - since_s < SETTLED_S:
        stored = world.stack.ingest.metric("tonne_ingest_messages_total")
        if stored != before:
            before, since_s = stored, time.monotonic()
        time.sleep(0.5)


def seen_after_ms(world: World, seconds: float) -> dict[str, float]:
    """How long the steady meters' readings take from their time to another session's SELECT."""
    found: list[float] = []
    known: list[float] = []
    ends_s = time.monotonic() + seconds
    with world.connect() as connection:
        while time.monotonic() < ends_s:
            newest = [row[0] for row in connection.execute(_NEWEST, ("steady-%",))]
            now_s = time.time()
            if known:
                pairs = zip(known, newest, strict=False)
                found += [now_s - new for old, new in pairs if new > old]
            known = newest
            time.sleep(LOOK_EVERY_S)
    found.sort()
    return {
        "p50_ms": round(found[len(found) // 2] * 1000, 1),
        "p99_ms": round(found[len(found) * 99 // 100] * 1000, 1),
    }


def flood(world: World, seconds: float) -> dict[str, Any]:
    """A device that sends what no channel takes, beside meters that send as they should."""
    steady_is = ("--facility", "steady", "--prefix", "steady", "--devices", str(STEADY_DEVICES))
    mad_is = ("--facility", "mad", "--prefix", "mad", "--devices", "1", "--connections", "1")
    world.add_devices(*steady_is)
    world.add_devices(*mad_is)
    pace = ("--rate", str(STEADY_RATE), "--duration", "600")
    with world.load(*steady_is, *pace) as steady:
        time.sleep(3)
        quiet = seen_after_ms(world, seconds)
        flooding = ("--rate", str(FLOOD_RATE), "--duration", "600", "--channels", "no-such")
        with world.load(*mad_is, *flooding) as mad:
            time.sleep(3)
            flooded = seen_after_ms(world, seconds)
            sent = stop(mad)
        result = stop(steady)
    settle(world)
    refused = world.stack.ingest.metric("tonne_ingest_quarantined_total")
    shed = world.stack.ingest.metric("tonne_ingest_shed_total")
    return {
        "steady_messages_per_s": STEADY_RATE,
        "invalid_messages_per_s": FLOOD_RATE,
        "without": quiet,
        "with": flooded,
        "invalid_sent": sent["acknowledged"],
        "invalid_kept_or_shed": round(refused + shed),
        "devices_with_loss_or_doubles": wrong_devices(world, result, "steady-%"),
    }


def say(what: str) -> None:
    """Show how far it is."""
    print(f"  {what}", flush=True)


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=LIVE_RATE * HOUR_S, help="of the outage")
    parser.add_argument("--flood-seconds", type=float, default=20.0, help="of each measurement")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with running_world() as world:
        figures["flood"] = flood(world, arguments.flood_seconds)
        print(json.dumps(figures["flood"]))
    with running_world() as world:
        figures["outage"] = outage(world, arguments.messages)
        print(json.dumps(figures["outage"]))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "pressure.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

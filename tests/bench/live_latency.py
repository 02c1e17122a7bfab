"""How long a reading takes from its publication to the live totals that people watch.

Run by ``make bench``; writes ``.tonne/bench/live.json``. Meters publish at a fixed rate, each
reading one step further on its register, while a viewer listens to ``/v1/stream``, whose events are
the body of ``/v1/live``. A source's total is its number of steps times the mass of one, so the
event tells which readings it speaks of. A latency counts from the instant a reading is due, whether
or not it could be sent then.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from services.core.store.schema import migrate
from tests.e2e.stack import Stack, running_stack
from tests.services import Nats, Postgres, server_directory

FACILITY = "bench"
METERS = 10
STEP_KWH = 0.01
KG_A_KWH = 0.25
FIRST_KWH = 1000.0
#: time for the last readings to show, before they count as lost
PATIENCE_S = 30.0


@dataclass(kw_only=True)
class Books:
    """When each reading of each meter was due, and when a total first spoke of it.

    Instants are seconds of the monotonic clock; the first reading of a register has no step.
    """

    due_s: list[list[float]] = field(default_factory=lambda: [[] for _ in range(METERS)])
    seen_s: list[list[float]] = field(default_factory=lambda: [[] for _ in range(METERS)])

    def see(self, body: dict[str, Any], at_s: float) -> None:
        """Take note of an event's totals."""
        for source in body["sources"]:
            co2_kg = source["totals"]["1h"]["co2_kg"]
            if co2_kg is None:
                continue
            steps = round(co2_kg / (STEP_KWH * KG_A_KWH))
            seen = self.seen_s[int(source["id"].removeprefix("meter-"))]
            seen.extend([at_s] * (steps - len(seen)))

    @property
    def complete(self) -> bool:
        """Whether every step was seen."""
        return all(len(s) >= len(d) - 1 for d, s in zip(self.due_s, self.seen_s, strict=True))

    def latencies_s(self) -> list[float]:
        """Seconds from due to seen, ascending."""
        return sorted(
            seen - due
            for dues, all_seen in zip(self.due_s, self.seen_s, strict=True)
            for due, seen in zip(dues[1:], all_seen, strict=False)
        )


def facility_file() -> str:
    """The facility of the benchmark in JSON, which is YAML too: a source for each meter."""
    energy = {"id": "energy", "quantity": "energy", "unit": "kWh", "kind": "counter"}
    return json.dumps(
        {
            "facility": {"id": FACILITY, "name": "Benchmark", "timezone": "UTC"},
            "devices": [{"id": f"bench-meter-{n}", "channels": [energy]} for n in range(METERS)],
            "factors": [
                {
                    "id": "bench",
                    "unit": "kWh",
                    "co2_kg": KG_A_KWH,
                    "valid_from": "2020-01-01",
                    "citation": "a round figure",
                }
            ],
            "sources": [
                {
                    "id": f"meter-{n}",
                    "scope": 2,
                    "method": "activity",
                    "input": f"bench-meter-{n}.energy",
                    "factor": "bench",
                }
                for n in range(METERS)
            ],
        }
    )


def publish(mqtt_url: str, books: Books, *, rate: int, seconds: int) -> None:
    """Publish ``rate`` readings a second, each when it is due."""
    host, port = mqtt_url.removeprefix("mqtt://").split(":")
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect(host, int(port))
    client.loop_start()
    begin_s, begin_ms = time.monotonic(), int(time.time() * 1000)
    for number in range(rate * seconds):
        due_s = begin_s + number / rate
        while (left_s := due_s - time.monotonic()) > 0:
            time.sleep(left_s)
        meter, turn = number % METERS, number // METERS
        ts_ms = begin_ms + number * 1000 // rate
        value = round(FIRST_KWH + turn * STEP_KWH, 3)
        books.due_s[meter].append(due_s)
        last = client.publish(
            f"emissions/{FACILITY}/bench-meter-{meter}/readings",
            json.dumps({"ts": ts_ms, "values": {"energy": value}}),
            qos=1,
        )
    last.wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def watch(url: str, books: Books, publisher: threading.Thread) -> None:
    """Listen to the stream, start the publisher, and return when all it sent was seen."""
    patience_ends_s = 0.0
    with httpx.stream(
        "GET", f"{url}/v1/stream", params={"facility": FACILITY}, timeout=PATIENCE_S
    ) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            now_s = time.monotonic()
            if line.startswith("data: "):
                books.see(json.loads(line.removeprefix("data: ")), now_s)
            if publisher.ident is None:
                publisher.start()
            if publisher.is_alive():
                patience_ends_s = now_s + PATIENCE_S
            elif books.complete:
                return
            elif now_s > patience_ends_s:
                break
    raise SystemExit("live_latency: not every reading came to show in the live totals")


class DurablePostgres(Postgres):
    """The database as it is run in earnest: a commit is on disk."""

    def command(self) -> list[str]:
        """Of a setting that is given twice, the last one counts."""
        return [*super().command(), "-c", "fsync=on", "-c", "full_page_writes=on"]


@contextmanager
def own_stack() -> Iterator[Stack]:
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
        yield ending.enter_context(stack)


def measure(stack: Stack, *, rate: int, seconds: int) -> dict[str, float]:
    """Publish, watch, and return the figures; latencies in seconds."""
    file = stack.directory / "bench.yaml"
    file.write_text(facility_file())
    stack.apply(file)
    books = Books()
    publisher = threading.Thread(
        target=publish,
        args=(stack.mqtt_url, books),
        kwargs={"rate": rate, "seconds": seconds},
        daemon=True,
    )
    watch(stack.url, books, publisher)
    found = books.latencies_s()
    return {
        "readings": len(found),
        "rate": rate,
        "p50_s": round(found[len(found) // 2], 3),
        "p99_s": round(found[len(found) * 99 // 100], 3),
        "max_s": round(found[-1], 3),
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long, below 600")
    parser.add_argument("--rate", type=int, default=100, help="readings a second")
    arguments = parser.parse_args()
    if not (0 < arguments.seconds < 600 and arguments.rate > 0):
        parser.error("a stream lives for ten minutes: publish for 1 to 599 seconds")
    with own_stack() as stack:
        figures = measure(stack, rate=arguments.rate, seconds=arguments.seconds)
    print(
        f"{figures['readings']} readings at {figures['rate']}/s, published -> in the live totals:"
        f" p50 {figures['p50_s']} s, p99 {figures['p99_s']} s, max {figures['max_s']} s"
    )
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "live.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

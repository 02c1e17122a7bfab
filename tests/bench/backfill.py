"""How late live totals are while years of history come in, and how long these take.

Run by ``make bench``; writes ``.tonne/bench/backfill.json``. Meters send their quarter hours of
years, a day in each message, as fast as they are acknowledged; or, with ``--by import``, a file
has them in order of time, and ``tonne import`` takes it. Beside them others publish live, in
the same facility and in another one, while viewers listen to ``/v1/stream``; latencies are those of
``live_latency.py``. In full (``--meters 200 --years 5``, 35 million readings, 526 million source
minutes) it takes hours; by default it is a piece of that. What is computed in the end is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from services.core.store.database.connect import connect
from services.core.store.emissions import minute_history
from tests.bench.live_latency import own_stack
from tests.e2e.stack import Stack

SAME, OTHER = "same", "other"
LIVE_METERS = 5
STEP_KWH = 0.01
KG_A_KWH = 0.25
QUARTER_KWH = 0.25
TARGET_S = 2.0
#: for the last live readings to show
PATIENCE_S = 30.0

_WAITING = """
SELECT EXISTS (SELECT FROM recompute)
    OR EXISTS (SELECT FROM touched t, unnest(t.minutes) AS minute WHERE minute <= %s)
"""
# The broker has a message before ingest does; each meter's are stored in their order.
_STORED = """
SELECT count(*)::int FROM channel c JOIN device d ON d.id = c.device_id
WHERE d.slug LIKE '%%-old-%%'
  AND EXISTS (SELECT FROM reading r WHERE r.channel_id = c.id AND r.ts = %s)
"""
_COMPUTED = """
SELECT count(*), coalesce(sum(m.activity_n), 0)::int8 FROM emission_minute m
JOIN source s ON s.id = m.source_id WHERE s.slug LIKE 'old-%'
"""


def facility_file(slug: str, old_meters: int) -> str:
    """Live meters, and those that send history; a source each."""
    counter = {"id": "e", "quantity": "energy", "unit": "kWh", "kind": "counter"}
    names = [f"live-{n}" for n in range(LIVE_METERS)] + [f"old-{n}" for n in range(old_meters)]
    factor = {"id": "bench", "unit": "kWh", "co2_kg": KG_A_KWH, "citation": "a round figure"}
    source = {"scope": 2, "method": "activity", "factor": "bench"}
    return json.dumps(
        {
            "facility": {"id": slug, "name": "Benchmark", "timezone": "UTC"},
            "devices": [{"id": f"{slug}-{name}", "channels": [counter]} for name in names],
            "factors": [factor],
            "sources": [{"id": name, "input": f"{slug}-{name}.e", **source} for name in names],
        }
    )


@dataclass(kw_only=True)
class Books:
    """When each live reading was due, and when a total first spoke of it, by facility and meter."""

    due_s: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    seen_s: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def see(self, facility: str, body: dict[str, Any], at_s: float) -> None:
        """Take note of an event's totals."""
        for source in body["sources"]:
            co2_kg = source["totals"]["24h"]["co2_kg"]
            if co2_kg is None or not source["id"].startswith("live-"):
                continue
            seen = self.seen_s.setdefault((facility, source["id"]), [])
            seen.extend([at_s] * (round(co2_kg / (STEP_KWH * KG_A_KWH)) - len(seen)))

    @property
    def is_complete(self) -> bool:
        """Whether every step was seen."""
        return all(len(self.seen_s.get(k, ())) >= len(due) - 1 for k, due in self.due_s.items())

    def latencies_s(self, facility: str) -> list[float]:
        """Seconds from due to seen, ascending."""
        return sorted(
            seen - due
            for key, dues in self.due_s.items()
            if key[0] == facility
            for due, seen in zip(dues[1:], self.seen_s.get(key, ()), strict=False)
        )


def _client(mqtt_url: str, inflight: int) -> paho.Client:
    host, port = mqtt_url.removeprefix("mqtt://").split(":")
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(inflight)
    client.connect(host, int(port))
    client.loop_start()
    return client


def publish_live(mqtt_url: str, books: Books, ending: threading.Event) -> None:
    """Ten readings a second of each facility, each when it is due, until told to end."""
    client = _client(mqtt_url, 1000)
    begin_s, begin_ms, number = time.monotonic(), int(time.time() * 1000), 0
    while not ending.is_set():
        due_s = begin_s + number / 10
        ending.wait(max(0.0, due_s - time.monotonic()))
        meter, turn = f"live-{number % LIVE_METERS}", number // LIVE_METERS
        for slug in (SAME, OTHER):
            books.due_s.setdefault((slug, meter), []).append(due_s)
            client.publish(
                f"emissions/{slug}/{slug}-{meter}/readings",
                json.dumps({"ts": begin_ms + number * 100, "values": {"e": 1 + turn * STEP_KWH}}),
                qos=1,
            )
        number += 1
    client.disconnect()
    client.loop_stop()


def days(meters: int, count: int, end: datetime) -> Iterator[tuple[str, str]]:
    """Topic and payload of each meter's days, the oldest first."""
    begin = end - timedelta(days=count)
    for day in range(count):
        ts_s = int((begin + timedelta(days=day)).timestamp())
        payload = json.dumps(
            [
                {"ts": ts_s + 900 * k, "values": {"e": 1000 + (96 * day + k) * QUARTER_KWH}}
                for k in range(96)
            ]
        )
        for meter in range(meters):
            yield f"emissions/{SAME}/{SAME}-old-{meter}/readings", payload


def publish_history(mqtt_url: str, meters: int, count: int, end: datetime) -> float:
    """Publish all of it, a hundred messages under way at a time; return the seconds it took."""
    client, began = _client(mqtt_url, 100), time.monotonic()
    under_way: list[paho.MQTTMessageInfo] = []
    for topic, payload in days(meters, count, end):
        under_way.append(client.publish(topic, payload, qos=1))
        if len(under_way) >= 200:
            under_way.pop(0).wait_for_publish(PATIENCE_S * 10)
    for each in under_way:
        each.wait_for_publish(PATIENCE_S * 10)
    client.disconnect()
    client.loop_stop()
    return time.monotonic() - began


def import_history(stack: Stack, meters: int, count: int, end: datetime) -> float:
    """Import all of it from a file; return the seconds it took, the program's start included."""
    file = stack.directory / "history.csv"
    begin = end - timedelta(days=count)
    with file.open("w", encoding="utf-8") as rows:
        rows.write("time,facility,device,channel,value\n")
        for quarter in range(count * 96):
            ts = (begin + timedelta(minutes=15 * quarter)).isoformat()
            e = 1000 + quarter * QUARTER_KWH
            rows.writelines(f"{ts},{SAME},{SAME}-old-{meter},e,{e}\n" for meter in range(meters))
    began = time.monotonic()
    subprocess.run(
        [str(Path(sys.executable).parent / "tonne"), "import", str(file)],
        env={**os.environ, "TONNE_DATABASE_URL": stack.database_url},
        check=True,
    )
    return time.monotonic() - began


def watch(url: str, facility: str, books: Books, ending: threading.Event) -> None:
    """Listen until told to end; a stream that ends is opened again."""
    while not ending.is_set():
        with httpx.stream(
            "GET", f"{url}/v1/stream", params={"facility": facility}, timeout=PATIENCE_S
        ) as response:
            for line in response.iter_lines():
                if line.startswith('data: {"as_of"'):
                    books.see(facility, json.loads(line.removeprefix("data: ")), time.monotonic())
                if ending.is_set():
                    return


def stored_s(connection: psycopg.Connection[Any], meters: int, last: datetime) -> float:
    """Seconds until all that was published is stored."""
    began = time.monotonic()
    while (connection.execute(_STORED, (last,)).fetchone() or (0,))[0] < meters:
        time.sleep(0.5)
    return time.monotonic() - began


def settled_s(connection: psycopg.Connection[Any], last: datetime) -> float:
    """Seconds until nothing old waits any more; what is left then is the last live readings."""
    began = time.monotonic()
    while True:
        row = connection.execute(_WAITING, (int(last.timestamp()) // 60,)).fetchone()
        if row == (False,):
            return time.monotonic() - began
        time.sleep(0.5)


def _computed(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Return how many minutes of history there are, as rows and packed, and their activity."""
    minutes, activity_n = connection.execute(_COMPUTED).fetchone() or (0, 0)
    sources = connection.execute("SELECT id FROM source WHERE slug LIKE 'old-%'").fetchall()
    packed = minute_history.packed(connection, [i for (i,) in sources], 0, 2**31 - 1)
    return minutes + len(packed), activity_n + int(packed.minutes.figures["activity_n"].sum())


def measure(stack: Stack, *, by: str, meters: int, count: int, days_ago: int) -> dict[str, Any]:
    """Publish, watch, and return the figures."""
    for slug, old in ((SAME, meters), (OTHER, 0)):
        file = stack.directory / f"{slug}.yaml"
        file.write_text(facility_file(slug, old))
        stack.apply(file)
    books, ending, published = Books(), threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=watch, args=(stack.url, slug, books, ending), daemon=True)
        for slug in (SAME, OTHER)
    ]
    live = threading.Thread(
        target=publish_live, args=(stack.mqtt_url, books, published), daemon=True
    )
    for thread in threads:
        thread.start()
    live.start()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight - timedelta(days=days_ago)
    last = end - timedelta(minutes=15)
    with connect(stack.database_url, process="test", autocommit=True) as connection:
        if by == "import":
            published_s = took_s = import_history(stack, meters, count, end)
        else:
            published_s = publish_history(stack.mqtt_url, meters, count, end)
            took_s = published_s + stored_s(connection, meters, last)
        computed_s = took_s + settled_s(connection, last)
        published.set()
        live.join()
        patience_ends_s = time.monotonic() + PATIENCE_S
        while not books.is_complete and time.monotonic() < patience_ends_s:
            time.sleep(0.05)
        ending.set()
        for thread in threads:
            thread.join()
        minutes, activity_n = _computed(connection)
    quarters = meters * (count * 96 - 1)
    assert minutes == quarters * 15, f"{minutes} of {quarters * 15} minutes"
    assert activity_n == round(quarters * QUARTER_KWH * 10**9), activity_n
    figures: dict[str, Any] = {
        "by": by,
        "meters": meters,
        "days": count,
        "days_ago": days_ago,
        "readings": meters * count * 96,
        "source_minutes": minutes,
        "published_s": round(published_s, 1),
        "stored_s": round(took_s, 1),
        "computed_s": round(computed_s, 1),
        "stored_a_second": round(meters * count * 96 / took_s),
        "readings_a_second": round(meters * count * 96 / computed_s),
        "source_minutes_a_second": round(minutes / computed_s),
        "unseen": not books.is_complete,
    }
    for slug in (SAME, OTHER):
        found = books.latencies_s(slug)
        figures[f"live_in_{slug}"] = {
            "p50_s": round(found[len(found) // 2], 3),
            "p99_s": round(found[len(found) * 99 // 100], 3),
            "max_s": round(found[-1], 3),
        }
    return figures


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--by", choices=["broker", "import"], default="broker")
    parser.add_argument("--meters", type=int, default=20, help="that send history; in full 200")
    parser.add_argument("--years", type=float, default=0.25, help="of it; in full 5")
    # two: older than what live totals look at; more than 35: what is packed
    parser.add_argument("--days-ago", type=int, default=2, help="that its last day ends")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with own_stack() as stack:
        figures = measure(
            stack,
            by=arguments.by,
            meters=arguments.meters,
            count=max(1, round(arguments.years * 365.25)),
            days_ago=arguments.days_ago,
        )
    figures |= {"target_s": TARGET_S, "load_average_before": round(before, 2)}
    print(json.dumps(figures, indent=1))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "backfill.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()

"""From publishing to being queryable, beside a load: a probe among the load's devices.

The probe publishes at a fixed pace, each message when it is due; its latency counts from that
instant, whether or not it could be sent then, to the end of the first SELECT of another session
that finds its reading.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.throughput.generator import FACILITY, PROBE, Generator
from tests.bench.throughput.plant import Plant

_PER_S = 200
_WARM_S = 3.0
_PATIENCE_S = 10.0

_CHANNEL = """
SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
WHERE d.slug = %s AND c.slug = 'import-energy'
"""
_FIRST = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds, of the messages of one run."""

    offered_per_s: float
    probes: int
    never_seen: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def publish_to_queryable(plant: Plant, *, rate: float, seconds: float) -> Latency:
    """Measure for ``seconds`` under a load of ``rate`` messages a second."""
    due_s: list[float] = []
    seen_s: list[float] = []
    with (
        Generator(plant.broker.url, rate, _WARM_S + seconds + 1) as generator,
        psycopg.connect(plant.database, autocommit=True) as connection,
    ):
        row = connection.execute(_CHANNEL, (PROBE,)).fetchone()
        assert row is not None
        time.sleep(_WARM_S)
        probe = threading.Thread(
            target=_publish, args=(plant.broker.port, due_s, round(seconds * _PER_S))
        )
        probe.start()
        _watch(connection, row[0], seen_s, total=round(seconds * _PER_S))
        probe.join()
        generator.books()
    waits = sorted(seen - due for due, seen in zip(due_s, seen_s, strict=False))
    return Latency(
        offered_per_s=rate + _PER_S,
        probes=len(due_s),
        never_seen=len(due_s) - len(seen_s),
        p50_ms=round(waits[len(waits) // 2] * 1e3, 1),
        p99_ms=round(waits[len(waits) * 99 // 100] * 1e3, 1),
        max_ms=round(waits[-1] * 1e3, 1),
    )


def _publish(port: int, due_s: list[float], total: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    topic = f"emissions/{FACILITY}/{PROBE}/readings"
    begin_s, begin_ms = time.monotonic() + 0.1, int(time.time() * 1000)
    for number in range(total):
        due = begin_s + number / _PER_S
        while (left_s := due - time.monotonic()) > 0:
            time.sleep(left_s)
        due_s.append(due)
        ts_ms = begin_ms + number * 1000 // _PER_S
        frame = f'{{"ts":{ts_ms},"values":{{"import-energy":{_FIRST + number},"import-power":1.5}}'
        client.publish(topic, f'{frame},"fw":"{"v" * (146 - len(frame))}"}}', qos=1)
    client.loop_stop()


def _watch(
    connection: psycopg.Connection[tuple[float]],
    channel_id: int,
    seen_s: list[float],
    *,
    total: int,
) -> None:
    """Look all the time, and note when each was first found: they become visible in order."""
    newest = "epoch"
    moved_s = time.monotonic()
    while len(seen_s) < total and time.monotonic() < moved_s + _PATIENCE_S:
        values = connection.execute(
            "SELECT value, ts::text FROM reading WHERE channel_id = %s AND ts > %s::timestamptz"
            " ORDER BY ts",
            (channel_id, newest),
        ).fetchall()
        now_s = time.monotonic()
        if values:
            newest, moved_s = str(values[-1][1]), now_s
            seen_s += [now_s] * (int(values[-1][0]) - _FIRST + 1 - len(seen_s))
        time.sleep(0.001)

"""Each stage of a message's way alone: what it takes at most while nothing else is done."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from services.core.runtime import broker_url
from services.core.store.registry import read
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.resolve import Directory
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.source import Message
from tests.bench.throughput.generator import FACILITY, VALUES, Generator
from tests.bench.throughput.plant import Plant

_FILTERS = frozenset({"emissions/#"})
_BATCH = 5000
_PATIENCE_S = 60.0


def _fill(plant: Plant, seconds: float) -> dict[str, Any]:
    with Generator(plant.broker.url, None, seconds) as generator:
        return generator.books()


def broker_and_c_subscriber(plant: Plant, seconds: float) -> tuple[float, float]:
    """Messages a second from PUBLISH to PUBACK, kept for a session that is away; and those that
    mosquitto_sub then takes and acknowledges."""
    command = ["mosquitto_sub", "-p", str(plant.broker.port), "-q", "1", "-c", "-i", "stage"]
    command += ["-t", "emissions/#", "-F", "%p"]
    subprocess.run([*command, "-E"], check=True, timeout=_PATIENCE_S)
    books = _fill(plant, seconds)
    total = books["acknowledged"]
    began = time.monotonic()
    subprocess.run(
        [*command, "-C", str(total)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=_PATIENCE_S,
    )
    return books["messages_per_s"], total / (time.monotonic() - began)


def client_receive_and_ack(plant: Plant, seconds: float) -> float:
    """Messages a second that ingest's own source takes of a backlog and acknowledges."""

    def opened() -> MqttSource:
        source = MqttSource(
            broker_url.parse(plant.broker.url), client_id="stage", max_waiting=2 * _BATCH
        )
        source.start(_FILTERS)
        while not source.connected:
            time.sleep(0.01)
        return source

    opened().close()
    total = _fill(plant, seconds)["acknowledged"]
    source = opened()
    began, received = time.monotonic(), 0
    while received < total and time.monotonic() < began + _PATIENCE_S:
        batch = source.receive(limit=_BATCH, gather_s=0.0, timeout_s=1.0)
        source.ack(batch)
        received += len(batch)
    took_s = time.monotonic() - began
    source.close()
    return received / took_s


def decode_and_check(plant: Plant, seconds: float) -> float:
    """Messages a second that become rows to store."""
    with psycopg.connect(plant.database) as connection:
        directory = Directory(read.devices(connection))
    bounds = TimeBounds(
        oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=10)
    )
    now = datetime.now(UTC)
    now_ms = int(now.timestamp() * 1000)
    batch = [
        Message(
            topic=f"emissions/{FACILITY}/load-{i % 100 + 1}/readings",
            payload=b'{"ts":%d,"values":{"import-energy":%d,"import-power":412.5},"fw":"%s"}'
            % (now_ms - _BATCH + i, 1_000_000 + i, b"v" * 72),
            received_at=now,
            token=i,
        )
        for i in range(_BATCH)
    ]
    began, done = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        rows = prepare(batch, directory, bounds).rows
        assert len(rows) == VALUES * _BATCH
        done += _BATCH
    return done / (time.monotonic() - began)


def copy_limit(plant: Plant, seconds: float) -> float:
    """Rows a second of binary COPY straight into the hypertable and its key, nothing else."""
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    began_us = (datetime.now(UTC) - epoch) // timedelta(microseconds=1)
    row = b"\x00\x06\x00\x00\x00\x04%b\x00\x00\x00\x08%b\x00\x00\x00\x08%b"
    row += b"\x00\x00\x00\x02\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x08%b"
    value, channels, done = bytes(8), 2 * 100, 0
    with psycopg.connect(plant.database, autocommit=True) as connection:
        began = time.monotonic()
        spent_s = 0.0
        while spent_s < seconds:
            # making the bytes is not what is measured
            rows = [
                row
                % (
                    (i % channels + 1).to_bytes(4, "big"),
                    (began_us + (done + i) // channels * 1000).to_bytes(8, "big"),
                    value,
                    began_us.to_bytes(8, "big"),
                )
                for i in range(VALUES * _BATCH)
            ]
            data = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"".join(rows) + b"\xff\xff"
            began = time.monotonic()
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    "COPY reading (channel_id, ts, value, quality, time_source, received_at)"
                    " FROM STDIN (FORMAT BINARY)"
                ) as copy,
            ):
                copy.write(data)
            spent_s += time.monotonic() - began
            done += len(rows)
    return done / spent_s

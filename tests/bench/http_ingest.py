"""How many readings a second of CPU time takes in by ``POST /v1/readings``, in each form.

Run by ``make bench``; prints a table and writes ``.tonne/bench/http_ingest.json``. Everything is
real and on this machine: PostgreSQL with the settings that tonne ships (a commit is on disk),
``tonne ingest`` and ``tonne api`` as processes of their own. One client sends bodies of fresh
readings of the last hour, one after the other, each when the one before is durable. A core is a
second of CPU time: of ingest, and of ingest and API together; PostgreSQL's is told beside.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import nanoarrow as na
import numpy as np
import psycopg
from nanoarrow import ipc

from services.core.facility.file import parse
from tests.bench.throughput.cpu import tree_cpu_s
from tests.bench.throughput.generator import facility_yaml
from tests.bench.throughput.plant import Plant, site
from tests.bench.throughput.sinks import _LISTENS
from tests.e2e.stack import Service
from tests.services import accepts_connections

_DEVICES: Final = 50
_ANSWER_S: Final = 120.0

Places = list[tuple[str, str, str]]
"""Facility, device and channel of each channel that is sent to."""

Form = Callable[[Places, int, int], tuple[bytes, dict[str, str]]]
"""(channels, first second since the epoch, readings of each channel) -> body and its headers."""


def _rows(places: Places, begin_s: int, number: int) -> list[tuple[str, str, str, int, float]]:
    return [(*place, begin_s + i, 100.0 + (i % 97) / 8) for i in range(number) for place in places]


def json_by_device(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """As devices send them: all channels of a device in one object."""
    by_device: dict[tuple[str, str], list[str]] = {}
    for facility, device, channel in places:
        by_device.setdefault((facility, device), []).append(channel)
    document = [
        {
            "facility": facility,
            "device": device,
            "ts": begin_s + i,
            "values": dict.fromkeys(channels, 100.0 + i % 97 / 8),
        }
        for i in range(number)
        for (facility, device), channels in by_device.items()
    ]
    return json.dumps(document).encode(), {"Content-Type": "application/json"}


def json_rows(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """Flat rows, as GET /v1/readings gives them."""
    names = ("facility", "device", "channel", "time", "value")
    document = [dict(zip(names, row, strict=True)) for row in _rows(places, begin_s, number)]
    return json.dumps(document).encode(), {"Content-Type": "application/json"}


def json_packed(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """By device, compressed."""
    body, headers = json_by_device(places, begin_s, number)
    return gzip.compress(body, 6), {**headers, "Content-Encoding": "gzip"}


def senml(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """A record of each reading."""
    pack = [
        {"n": f"{facility}/{device}/{channel}", "t": at_s, "v": value}
        for facility, device, channel, at_s, value in _rows(places, begin_s, number)
    ]
    return json.dumps(pack).encode(), {"Content-Type": "application/senml+json"}


def csv(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """A row of each reading."""
    lines = [",".join(map(str, row)) for row in _rows(places, begin_s, number)]
    body = "facility,device,channel,time,value\n" + "\n".join(lines)
    return body.encode(), {"Content-Type": "text/csv"}


def line_protocol(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """A line of each reading."""
    lines = [
        f"m,facility={facility},device={device} {channel}={value} {at_s}000000000"
        for facility, device, channel, at_s, value in _rows(places, begin_s, number)
    ]
    return "\n".join(lines).encode(), {"Content-Type": "text/plain", "X-Tonne-Request": "1"}


def arrow(places: Places, begin_s: int, number: int) -> tuple[bytes, dict[str, str]]:
    """One record batch, with a row of each reading."""
    rows = _rows(places, begin_s, number)
    columns: dict[str, tuple[na.Schema, list[Any]]] = {
        name: (na.string(), [row[i] for row in rows])
        for i, name in enumerate(("facility", "device", "channel"))
    }
    columns["value"] = (na.float64(), [row[4] for row in rows])
    children = {name: na.c_array(cells, kind) for name, (kind, cells) in columns.items()}
    instants = np.array([row[3] for row in rows], dtype=np.int64) * 1_000_000
    kind = na.timestamp("us", timezone="UTC")
    children["time"] = na.c_array_from_buffers(kind, len(rows), [None, instants])
    schema = na.struct({**{n: k for n, (k, _) in columns.items()}, "time": kind}, nullable=False)
    sink = io.BytesIO()
    with ipc.StreamWriter.from_writable(sink) as writer:
        writer.write_array(
            na.c_array_from_buffers(
                schema, len(rows), [None], children=[children[f.name] for f in schema.fields]
            )
        )
    return sink.getvalue(), {"Content-Type": "application/vnd.apache.arrow.stream"}


FORMS: Final[dict[str, Form]] = {
    "JSON, objects by device": json_by_device,
    "JSON, gzip": json_packed,
    "JSON, rows": json_rows,
    "SenML": senml,
    "CSV": csv,
    "line protocol": line_protocol,
    "Arrow": arrow,
}


def places_of_load() -> Places:
    """The first channels of the load's facility."""
    loaded = parse(facility_yaml())
    return [
        (loaded.facility.id, device.id, channel.id)
        for device in loaded.devices[:_DEVICES]
        for channel in device.channels
    ]


def started(plant: Plant, ending: ExitStack) -> tuple[Service, Service]:
    """Ingest and the API, on one socket."""
    settings = {
        "TONNE_DATABASE_URL": plant.database,
        "TONNE_MQTT_URL": plant.broker.url,
        "TONNE_API_AUTH": "off",
        "TONNE_API_READINGS_PER_MINUTE": "1000000000",
        "TONNE_READINGS_SOCKET": str(plant.directory / "readings.sock"),
    }

    def listens(_pid: int) -> bool:
        with psycopg.connect(plant.database) as connection:
            row = connection.execute(_LISTENS.encode()).fetchone()
        return row is not None and row[0] > 0

    ingest = Service(plant.directory / "ingest", "ingest", settings, listens)
    api = Service(
        plant.directory / "api", "api", settings, lambda _pid: accepts_connections(api.port)
    )
    for service in (ingest, api):
        ending.callback(service.stop)
        service.start()
    return ingest, api


def measure(plant: Plant, form: Form, *, readings: int, seconds: float) -> dict[str, float]:
    """Send bodies of so many readings for a while."""
    places = places_of_load()
    number = readings // len(places)
    with ExitStack() as ending:
        ingest, api = started(plant, ending)
        pids = {"ingest": ingest.pid, "api": api.pid, "postgres": plant.postgres.pid}
        client = ending.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=_ANSWER_S)
        )
        now_s = int(time.time())
        # the last hour's, so that they are live
        bodies = [form(places, now_s - 3500 + i * number, number) for i in range(3400 // number)]
        client.post("/v1/readings", content=bodies[0][0], headers=bodies[0][1]).raise_for_status()
        before = {name: tree_cpu_s(pid) for name, pid in pids.items()}
        began_s, sent = time.perf_counter(), 0
        for body, headers in bodies[1:]:
            answer = client.post("/v1/readings", content=body, headers=headers)
            assert answer.status_code == 200, answer.text[:500]
            assert answer.json()["new"] == number * len(places), answer.text[:500]
            sent += answer.json()["new"]
            if time.perf_counter() - began_s > seconds:
                break
        took_s = time.perf_counter() - began_s
        used = {name: tree_cpu_s(pid) - before[name] for name, pid in pids.items()}
    return {
        "readings_per_s": round(sent / took_s),
        "per_core_of_ingest": round(sent / used["ingest"]),
        "per_core_of_ingest_and_api": round(sent / (used["ingest"] + used["api"])),
        "postgres_us_per_reading": round(used["postgres"] / sent * 1e6, 1),
        "bytes_per_reading": round(len(bodies[0][0]) / (number * len(places)), 1),
        "readings": sent,
    }


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures for people."""
    head = (
        f"{'form':<26}{'bytes':>7}{'readings/s':>12}{'/core ingest':>14}{'/core both':>12}"
        f"{'PG us':>7}"
    )
    lines = [
        f"{name:<26}{f['bytes_per_reading']:>7.0f}{f['readings_per_s']:>12,.0f}"
        f"{f['per_core_of_ingest']:>14,.0f}{f['per_core_of_ingest_and_api']:>12,.0f}"
        f"{f['postgres_us_per_reading']:>7.1f}"
        for name, f in figures.items()
    ]
    return "\n".join([head, *lines])


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=10_000, help="of a body")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--form", choices=tuple(FORMS), help="this one only")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with site() as ground:
        for name, form in FORMS.items():
            if options.form in {None, name}:
                with ground.plant() as plant:
                    figures[name] = measure(
                        plant, form, readings=options.readings, seconds=options.seconds
                    )
                print(table({name: figures[name]}), flush=True)
    print()
    print(table(figures))
    written = Path(".tonne/bench/http_ingest.json")
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(
        json.dumps({"load_average": os.getloadavg()[0], "forms": figures}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()

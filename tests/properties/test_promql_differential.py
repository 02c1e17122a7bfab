"""Random queries mean the same to tonne as to the distribution's Prometheus, over the same series.

``PROMQL_QUERIES`` bounds the time; more find more.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from services.api.prometheus.labels import are_taken, labels_of
from services.api.prometheus.query import QueryRange, instant_query, range_query
from services.api.prometheus.refusals import BadQueryError, QueryError
from services.api.prometheus.values import Samples
from tests.patience import PATIENCE_S, until
from tests.properties.promql_queries import Queries

QUERIES = int(os.environ.get("PROMQL_QUERIES", "1500"))
SEED = 20261123
_BEGIN_MS = 1_795_456_800_000
_MINUTE_MS = 60_000
_MINUTES = 240
_LOOKBACK_MS = 300_000
_SOURCES = (
    ("linz", "boiler", "1"), ("linz", "grid", "2"), ("linz", "burner", "1"),
    ("graz", "boiler", "1"), ("graz", "grid", "2"),
)  # fmt: skip


def _series() -> list[Samples]:
    """Gauges and counters with gaps, resets and a source that goes quiet."""
    chance = random.Random(SEED)
    series = []
    for facility, source, scope in _SOURCES:
        total = chance.uniform(0, 500)
        last = 150 if source == "burner" else _MINUTES
        rows: dict[str, list[tuple[int, float]]] = {"rate_kg_h": [], "kg_total": []}
        coverage = []
        for minute in range(last):
            ms = _BEGIN_MS + minute * _MINUTE_MS
            is_known = minute % 60 not in range(20, 29) or source == "boiler"
            coverage.append((ms, 1.0 if is_known else 0.0))
            if is_known and not chance.random() < 0.05:
                rate = chance.uniform(0, 900)
                total = 0.5 if chance.random() < 0.01 else total + rate / 60
                rows["rate_kg_h"].append((ms, rate))
                rows["kg_total"].append((ms, total))
        named = {f"tonne_co2_{name}": points for name, points in rows.items()}
        for name, points in {**named, "tonne_coverage_ratio": coverage}.items():
            labels = {"__name__": name, "facility": facility, "source": source, "scope": scope}
            times, values = zip(*points, strict=True)
            series.append(Samples(labels_of(labels), np.array(times), np.array(values)))
    return sorted(series, key=lambda samples: samples.labels)


SERIES = _series()


def _open_metrics() -> str:
    lines = []
    for name in dict.fromkeys(dict(samples.labels)["__name__"] for samples in SERIES):
        is_counter = name.endswith("_total")
        lines.append(f"# TYPE {name.removesuffix('_total')} {'counter' if is_counter else 'gauge'}")
        for samples in SERIES:
            labels = dict(samples.labels)
            if labels.pop("__name__") == name:
                written = ",".join(f'{key}="{value}"' for key, value in labels.items())
                pairs = zip(samples.times_ms.tolist(), samples.values.tolist(), strict=True)
                lines += [f"{name}{{{written}}} {value!r} {ms / 1000}" for ms, value in pairs]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prometheus over the series, on a port of its own."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "samples").write_text(_open_metrics())
    (folder / "none.yml").write_text("{}")
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing; run: deploy/local/bootstrap.sh test")
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*blocks, str(folder / "samples"), str(folder / "data")], check=True, capture_output=True
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'none.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log,
        )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False
        ) as client:
            _wait_for(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    def is_ready() -> bool:
        assert process.poll() is None, "prometheus ended"
        try:
            return client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    until(is_ready, "prometheus is ready")


def _select(selector: Any) -> list[Samples]:
    return [s for s in SERIES if are_taken(s.labels, selector.matchers)]


def _ours(query: str, times: QueryRange | int) -> Any:
    try:
        if isinstance(times, int):
            return instant_query(query, times, _LOOKBACK_MS, lambda _: _select)
        return range_query(query, times, _LOOKBACK_MS, lambda _: _select)
    except QueryError as error:
        return "bad_data" if isinstance(error, BadQueryError) else "execution"


def _theirs(client: httpx.Client, query: str, times: QueryRange | int) -> Any:
    if isinstance(times, int):
        response = client.post("/api/v1/query", data={"query": query, "time": str(times / 1000)})
    else:
        parts = {"start": times.start_ms, "end": times.end_ms, "step": times.step_ms}
        response = client.post(
            "/api/v1/query_range",
            data={"query": query, **{name: str(ms / 1000) for name, ms in parts.items()}},
        )
    body = response.json()
    return body["data"] if body["status"] == "success" else body["errorType"]


def _points(result: Any) -> dict[str, list[list[Any]]]:
    kind, rows = result["resultType"], result["result"]
    if kind in {"scalar", "string"}:
        return {kind: [rows]}
    return {
        json.dumps(row["metric"], sort_keys=True): row.get("values") or [row["value"]]
        for row in rows
    }


def _are_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return bool(ours == theirs)
    if ours["resultType"] != theirs["resultType"]:
        return False
    mine, other = _points(ours), _points(theirs)
    return mine.keys() == other.keys() and all(
        len(mine[key]) == len(other[key])
        and all(
            a[0] == b[0] and _are_close(a[1], b[1])
            for a, b in zip(mine[key], other[key], strict=True)
        )
        for key in mine
    )


def _are_close(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    return math.isclose(float(ours), float(theirs), rel_tol=1e-12)


def test_random_queries_are_answered_as_prometheus_does(prometheus: httpx.Client) -> None:
    queries = Queries(SEED)
    chance = random.Random(SEED + 1)
    differing = []
    kinds: dict[str, int] = {}
    for number in range(QUERIES):
        query = queries.next()
        start = _BEGIN_MS + chance.randrange(-30, _MINUTES + 30) * _MINUTE_MS
        start += chance.choice((0, 0, 15_000, 7_001))
        step = chance.choice((15, 60, 60, 97, 300, 3600)) * 1000
        times = (
            start if number % 2 else QueryRange(start, start + chance.randrange(40) * step, step)
        )
        ours, theirs = _ours(query, times), _theirs(prometheus, query, times)
        kind = ours if isinstance(ours, str) else "some" if ours["result"] else "none"
        kinds[kind] = kinds.get(kind, 0) + 1
        if not _are_same(ours, theirs):
            differing.append(f"{query}\n at {times}\n ours   {ours}\n theirs {theirs}"[:1500])
    assert not differing, f"{len(differing)} of {QUERIES} differ ({kinds}):\n" + "\n".join(
        differing[:8]
    )
    assert kinds["some"] > QUERIES / 3, kinds

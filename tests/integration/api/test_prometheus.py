"""Prometheus' read API over stored totals, asked as Grafana asks."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import psycopg
import pytest

from services.core.runtime.clock import FixedClock
from services.core.store.operations import keys
from tests.integration.api.plant import FULL, HOUR, MINUTE, Plant, at, found, minutes
from tests.integration.api.test_auth import bearer, guarded

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

NOON = at("2026-11-23T12:00:00Z")
NOON_S = int(NOON.timestamp())
API = "/prometheus/api/v1"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def linz(connection: Connection) -> Plant:
    """A plant that emits 180 kg/h since 10:00 but for ten minutes, and did for an hour long ago."""
    plant = found(connection, "linz", sources=[("stack-1", 1, None), ("grid", 2, "kWh")])
    now = [NOON - (120 - i) * MINUTE for i in range(120) if not 80 <= i < 90]
    past = [NOON - 480 * HOUR + i * MINUTE for i in range(60)]
    for source, kg in (("stack-1", 2.0), ("grid", 1.0)):
        minutes(connection, plant.sources[source], [(m, kg, FULL) for m in (*past, *now)])
    return plant


async def ask(client: httpx.AsyncClient, query: str, **more: Any) -> Any:
    """What an instant query at noon has for a result: its values by source."""
    parameters = {"query": query, "time": NOON_S, **more}
    response = await client.get(f"{API}/query", params=parameters)
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    if data["resultType"] != "vector":
        return data["result"]
    return {row["metric"].get("source", ""): float(row["value"][1]) for row in data["result"]}


@pytest.mark.usefixtures("linz")
async def test_rates_counters_and_shares_are_those_stored(client: httpx.AsyncClient) -> None:
    assert await ask(client, "tonne_co2_rate_kg_h") == {"stack-1": 120.0, "grid": 60.0}
    # 60 minutes of the past, 110 of the day
    assert await ask(client, "tonne_co2_kg_total") == {"stack-1": 340.0, "grid": 170.0}
    risen = await ask(client, 'increase(tonne_co2_kg_total{scope="1"}[30m])')
    assert risen == {"stack-1": pytest.approx(60)}
    shares = await ask(client, "avg_over_time(tonne_coverage_ratio[1h] offset 1m)")
    assert shares["grid"] == pytest.approx(51 / 61)
    # for five minutes the newest sample stands, after that there is none
    gone = NOON_S - 30 * 60 - 60
    assert await ask(client, "tonne_co2_rate_kg_h", time=gone) == {}
    assert await ask(client, "tonne_coverage_ratio", time=gone) == {"stack-1": 0.0, "grid": 0.0}


@pytest.mark.usefixtures("linz")
async def test_hours_of_the_past_are_told_by_the_minute(client: httpx.AsyncClient) -> None:
    time = NOON_S - 480 * 3600 + 1800
    assert await ask(client, "tonne_co2_kg_total", time=time) == {"stack-1": 60.0, "grid": 30.0}
    assert await ask(client, "tonne_co2_rate_kg_h", time=time) == {"stack-1": 120.0, "grid": 60.0}


@pytest.mark.usefixtures("linz")
async def test_a_query_over_time_is_a_row_for_each_series(client: httpx.AsyncClient) -> None:
    form = {
        "query": "sum(tonne_co2_rate_kg_h)",
        "start": NOON_S - 600,
        "end": NOON_S,
        "step": "5m",
    }
    response = await client.post(f"{API}/query_range", data=form)
    assert response.json() == {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {"metric": {}, "values": [[NOON_S - s, "180"] for s in (600, 300, 0)]},
            ],
        },
    }


@pytest.mark.usefixtures("linz")
async def test_grafana_finds_out_what_there_is(client: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        health = await client.request(method, f"{API}/query", params={"query": "1+1"})
        assert health.json()["data"]["result"][1] == "2"
    metrics = (await client.get(f"{API}/label/__name__/values")).json()["data"]
    assert {"tonne_co2_rate_kg_h", "tonne_co2_kg_total", "tonne_coverage_ratio"} <= set(metrics)
    described = (await client.get(f"{API}/metadata")).json()["data"]
    assert sorted(described) == metrics
    labels = (await client.get(f"{API}/labels")).json()["data"]
    assert labels == ["__name__", "facility", "scope", "source"]
    match = {"match[]": 'tonne_co2_kg_total{source!="grid"}'}
    series = (await client.get(f"{API}/series", params=match)).json()["data"]
    assert series == [
        {"__name__": "tonne_co2_kg_total", "facility": "linz", "scope": "1", "source": "stack-1"}
    ]
    limited = (await client.get(f"{API}/label/source/values", params={"limit": 1})).json()
    assert limited["data"] == ["grid"]
    assert limited["warnings"] == ["results truncated due to limit"]
    build = await client.get(f"{API}/status/buildinfo")
    assert build.json()["data"]["version"].startswith("2.")


REFUSALS = (
    ("sum(", 400, "parse error"),
    ("topk(1, tonne_co2_kg_total)", 400, "aggregation `topk` is not spoken here"),
    ("rate(tonne_co2_kg_total[1h:5m])", 400, "subqueries"),
    ("tonne_co2_kg_total @ 5", 400, "modifier `@`"),
    ('{source=~"a{1,9999}"}', 400, "too large"),
    ("(" * 1200 + "1" + ")" * 1200, 400, "too large"),
    ('{__name__=~".*ratio"} + on() {__name__=~".*ratio"}', 422, "duplicate series"),
)


@pytest.mark.usefixtures("linz")
async def test_a_query_without_an_answer_says_why(client: httpx.AsyncClient) -> None:
    for query, status, error in REFUSALS:
        response = await client.post(f"{API}/query", data={"query": query, "time": str(NOON_S)})
        body = response.json()
        assert response.status_code == status, body
        assert body["status"] == "error"
        assert body["errorType"] == {400: "bad_data", 422: "execution"}[status]
        assert error in body["error"]
    # many steps are refused before anything is read
    times = {"query": "1", "start": 0, "end": 11_001, "step": 1}
    response = await client.get(f"{API}/query_range", params=times)
    assert response.status_code == 400
    assert "11,000 points" in response.json()["error"]


async def test_a_long_refusal_is_told_as_any_when_it_is_packed(client: httpx.AsyncClient) -> None:
    headers = {"Accept-Encoding": "gzip"}
    query = {"query": f"0x{'f' * 5000}"}
    response = await client.get(f"{API}/query", params=query, headers=headers)
    assert response.headers["content-encoding"] == "gzip"
    assert response.status_code == 400, response.text
    assert response.json()["errorType"] == "bad_data"


async def test_many_selectors_are_as_large_as_one_query(client: httpx.AsyncClient) -> None:
    for selectors in (['{a="b"}'] * 600, ['{a=~"(.?){900}"}'] * 300):
        response = await client.post(f"{API}/series", data={"match[]": selectors})
        assert response.status_code == 400, response.text
        assert response.json()["errorType"] == "bad_data"


@pytest.mark.usefixtures("linz")
async def test_a_key_sees_its_facilities_and_may_be_a_password(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "graz")
    key = keys.create(connection, name="grafana", scopes=["read"], facilities=["graz"])
    password = base64.b64encode(f"grafana:{key}".encode()).decode()
    basic = {"Authorization": f"Basic {password}"}
    for headers in (basic, bearer(key)):
        answer = await guarded.get(f"{API}/label/facility/values", headers=headers)
        assert answer.json()["data"] == ["graz"]
    refused = await guarded.get(f"{API}/query", params={"query": "1"})
    assert refused.status_code == 401
    assert refused.json()["status"] == "error"
    # a browser sends a password by itself, so it opens nothing that could be changed
    assert (await guarded.get("/v1/facilities", headers=basic)).status_code == 401

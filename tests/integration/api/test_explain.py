from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.api.models.explanation import Explanation
from tests.integration.api.plant import MINUTE, at

Connection = psycopg.Connection[Any]

HOUR = at("2026-11-23T10:00:00Z")
FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter-grid
    channels: [{id: import-energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}]
  - id: cems-1
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 60}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 3600}
factors:
  - id: works-grid
    unit: kWh
    co2_kg: 0.25
    valid_from: 2020-01-01
    valid_to: 2026-01-01
    citation: certificate 2025
  - {id: works-grid, unit: kWh, co2_kg: 0.20, valid_from: 2026-01-01, citation: certificate 2026}
sources:
  - {id: grid, scope: 2, method: activity, input: meter-grid.import-energy, factor: works-grid}
  - id: stack-1
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems-1.co2, flow: cems-1.flow}
"""


@pytest.fixture
async def linz(client: httpx.AsyncClient) -> None:
    response = await client.put("/v1/facilities/linz", content=FILE.encode())
    assert response.status_code == 200, response.text


def send(connection: Connection, channel: str, second: int, value: float | None) -> None:
    connection.execute(
        "INSERT INTO reading (ts, value, received_at, channel_id, quality, time_source)"
        " SELECT %s, %s, now(), id, 0, 0 FROM channel WHERE slug = %s",
        (HOUR + timedelta(seconds=second), value, channel),
    )


def total(connection: Connection, source: str, kg: float, *, version: int = 1) -> None:
    """One minute's mass, its hour, and the versions before it."""
    connection.execute(
        "INSERT INTO emission_minute (source_id, minute, co2_ug, co2e_ug, market_ug, covered_ms)"
        " SELECT id, %s, %s, %s, %s, 60000 FROM source WHERE slug = %s",
        (HOUR, kg * 1e9, kg * 1e9, kg * 1e9, source),
    )
    for number in range(1, version + 1):
        table = "emission_hour" if number == version else "emission_hour_history"
        superseded = "" if number == version else ", superseded_at"
        connection.execute(
            f"INSERT INTO {table} (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"  # noqa: S608
            f" version, final, quality, reason, known_at{superseded})"
            " SELECT id, %(hour)s, %(ug)s, %(ug)s, %(ug)s, 60000,"
            " %(n)s, true, 'partial', %(reason)s, %(hour)s + make_interval(days => %(n)s)"
            + (", %(hour)s + make_interval(days => %(n)s + 1)" if superseded else "")
            + " FROM source WHERE slug = %(source)s",
            {
                "hour": HOUR,
                "ug": int((kg - version + number) * 1e9),
                "n": number,
                "reason": f"reason {number}",
                "source": source,
            },
        )


async def explain(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    response = await client.get(
        "/v1/explain",
        params={"facility": "linz", "hour": "2026-11-23T10:20:00Z", "as_of": "2100-01-01T00:00:00Z"}
        | parameters,
    )
    assert response.status_code == 200, response.text
    Explanation.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.usefixtures("linz")
async def test_a_stack_hour_names_equation_inputs_and_every_version(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    for second, value in ((0, 10.0), (30, 14.0), (90, None)):
        send(connection, "co2", second, value)
    send(connection, "flow", 0, 1_000_000.0)
    total(connection, "stack-1", 103.0, version=3)
    body = await explain(client, source="stack-1")
    assert body["hour"] == "2026-11-23T10:00:00Z"
    assert (body["method"], body["equation"]["id"]) == ("stack", "F-11")
    assert body["equation"]["citation"].startswith("40 CFR 75 App. F")
    assert body["factor"] is None
    co2, flow = sorted(body["inputs"], key=lambda item: item["role"])
    assert (co2["device"], co2["unit"], co2["covered_s"]) == ("cems-1", "%", 90.0)
    assert co2["mean"] == pytest.approx((10.0 * 30 + 14.0 * 60) / 90)
    assert co2["readings"] == {
        "count": 3, "gaps": 1, "by_quality": {"good": 3}, "over_full_scale": 0,
        "min": 10.0, "mean": 12.0, "max": 14.0,
        "first": {"time": "2026-11-23T10:00:00Z", "value": 10.0},
        "last": {"time": "2026-11-23T10:01:30Z", "value": None},
    }  # fmt: skip
    assert flow["covered_s"] == 3600.0
    assert len(body["minutes"]) == 60
    assert body["minutes"][0]["inputs"] == {"co2": 12.0, "flow": 1_000_000.0}
    assert (body["minutes"][0]["co2_kg"], body["minutes"][0]["coverage"]) == (103.0, 1.0)
    assert (body["minutes"][59]["co2_kg"], body["minutes"][59]["inputs"]["co2"]) == (None, None)
    assert [(v["version"], v["co2_kg"], v["reason"]) for v in body["versions"]] == [
        (1, 101.0, "reason 1"), (2, 102.0, "reason 2"), (3, 103.0, "reason 3"),
    ]  # fmt: skip
    assert body["total"] == body["versions"][-1]
    assert [v["superseded_at"] is None for v in body["versions"]] == [False, False, True]


@pytest.mark.usefixtures("linz")
async def test_a_past_explanation_knows_nothing_of_what_came_later(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    total(connection, "stack-1", 103.0, version=3)
    body = await explain(client, source="stack-1", as_of=(HOUR + timedelta(days=2.5)).isoformat())
    assert [v["version"] for v in body["versions"]] == [1, 2]
    assert body["total"]["co2_kg"] == 102.0
    assert body["total"]["superseded_at"] is None
    before = await explain(client, source="stack-1", as_of=HOUR.isoformat())
    assert (before["total"], before["versions"]) == (None, [])


@pytest.mark.usefixtures("linz")
async def test_an_activity_hour_names_the_factor_that_holds(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    send(connection, "import-energy", -1800, 100.0)
    send(connection, "import-energy", 1800, 160.0)
    body = await explain(client, source="grid")
    assert body["equation"] is None
    factor = body["factor"]
    assert (factor["id"], factor["co2_kg"], factor["citation"]) == (
        "works-grid", 0.2, "certificate 2026",
    )  # fmt: skip
    assert factor["valid_from"] == "2026-01-01"
    assert factor["applied"] == {
        "per": "kWh", "co2_kg": 0.2, "co2e_kg": 0.2, "co2_biogenic_kg": 0.0,
    }  # fmt: skip
    (item,) = body["inputs"]
    assert (item["role"], item["amount"], item["covered_s"]) == (
        "input", pytest.approx(30.0), 1800.0,
    )  # fmt: skip
    older = await explain(client, source="grid", hour="2025-12-31T10:00:00Z")
    assert older["factor"]["citation"] == "certificate 2025"
    unknown = await explain(client, source="grid", hour="2019-12-31T10:00:00Z")
    assert unknown["factor"] is None


@pytest.mark.usefixtures("linz")
async def test_what_a_register_did_not_count_is_shown(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    # a zero for one reading, then a leap that nothing has confirmed yet
    for second, index in ((-60, 100.0), (300, 0.0), (600, 110.0), (900, 115.0), (1200, 9115.0)):
        send(connection, "import-energy", second, index)
    (meter,) = (await explain(client, source="grid"))["inputs"]
    assert [(each["kind"], each["seen"], each["counted"]) for each in meter["incidents"]] == [
        ("transient", 0.0, 10.0)
    ]
    (held,) = meter["held"]
    assert (held["from"], held["to"], held["change"]) == (
        "2026-11-23T10:15:00Z", "2026-11-23T10:20:00Z", 9000.0,
    )  # fmt: skip
    assert held["reason"] == "the index rose by 9000 in 0.08333 h, where max_rate allows 420.444"
    asked = {"facility": "linz", "source": "grid", "hour": HOUR.isoformat()}
    german = await client.get("/v1/explain", params=asked, headers={"Accept-Language": "de"})
    assert german.json()["inputs"][0]["held"][0]["reason"] == (
        "der Zählerstand stieg um 9000 in 0.08333 h, max_rate erlaubt 420.444"
    )
    assert german.headers["Content-Language"] == "de"
    assert meter["amount"] == pytest.approx(10.0 * 600 / 660 + 5.0)


@pytest.mark.usefixtures("linz")
async def test_an_hour_without_anything_is_explained_as_unknown(client: httpx.AsyncClient) -> None:
    body = await explain(client, source="stack-1")
    assert (body["total"], body["versions"]) == (None, [])
    assert {minute["co2_kg"] for minute in body["minutes"]} == {None}
    assert [minute["time"] for minute in body["minutes"]][-1] == "2026-11-23T10:59:00Z"
    assert at(body["minutes"][1]["time"]) - at(body["minutes"][0]["time"]) == MINUTE
    missing = await client.get(
        "/v1/explain", params={"facility": "linz", "source": "stack-9", "hour": "0"}
    )
    assert missing.status_code == 404


async def test_a_facility_file_is_applied_once_and_refused_whole(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    first = await client.put("/v1/facilities/linz", content=FILE.encode())
    assert first.json()["changes"]
    again = await client.put("/v1/facilities/linz", content=FILE.encode())
    assert again.json()["changes"] == []
    wrong = FILE.replace("timezone: Europe/Vienna", "timezone: Mars").replace(
        "kind: counter", "kind: x"
    )
    refused = await client.put("/v1/facilities/linz", content=wrong.encode())
    assert refused.status_code == 422
    assert {error["line"] for error in refused.json()["errors"]} == {2, 5}
    other = await client.put("/v1/facilities/graz", content=FILE.encode())
    assert other.status_code == 422
    rows = connection.execute("SELECT slug FROM facility").fetchall()
    assert rows == [("linz",)]
    connection.execute(
        "UPDATE device SET last_seen = '2026-11-23T18:00:02Z', online = true,"
        " status_at = '2026-11-23T06:12:40Z' WHERE slug = 'cems-1'"
    )
    listed = (await client.get("/v1/facilities")).json()
    devices = listed[0].pop("devices")
    assert {
        "id": "meter-grid", "name": "meter-grid", "last_seen": None, "online": None,
        "status_at": None,
    } in devices  # fmt: skip
    assert {
        "id": "cems-1",
        "name": "cems-1",
        "last_seen": "2026-11-23T18:00:02Z",
        "online": True,
        "status_at": "2026-11-23T06:12:40Z",
    } in devices
    assert listed == [
        {
            "id": "linz",
            "name": "Linz works",
            "timezone": "Europe/Vienna",
            "retired_at": None,
            "sources": [
                {"id": "grid", "name": "grid", "scope": 2, "method": "activity"},
                {"id": "stack-1", "name": "stack-1", "scope": 1, "method": "stack"},
            ],
        }
    ]


async def test_the_gwp_set_of_the_file_makes_co2e_and_is_told(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    text = FILE.replace("Europe/Vienna}", "Europe/Vienna, gwp: AR4}").replace(
        "co2_kg: 0.20,", "co2_kg: 0.20, ch4_kg: 0.001, n2o_kg: 0.0001,"
    )
    assert (await client.put("/v1/facilities/linz", content=text.encode())).status_code == 200
    total(connection, "grid", 1.0)
    params = {"facility": "linz", "source": "grid", "hour": "2026-11-23T10:00:00Z"}
    params["as_of"] = "2100-01-01T00:00:00Z"
    factor = (await client.get("/v1/explain", params=params)).json()["factor"]
    # 0.2 + 0.001 x 25 + 0.0001 x 298
    assert factor["co2e_kg"] == pytest.approx(0.2548)
    assert factor["applied"]["co2e_kg"] == pytest.approx(0.2548)
    assert factor["gwp"]["set"] == "AR4"


DERIVED = """
facility: {id: mill, name: Mill, timezone: UTC}
devices:
  - id: main
    channels:
      - {id: t1, quantity: energy, unit: kWh, kind: counter, scale: 40, max_rate: 4000}
      - {id: t2, quantity: energy, unit: MWh, kind: counter, max_rate: 4}
      - {id: import, quantity: energy, unit: kWh, kind: derived, formula: t1 + 2 * t2}
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: main.import, factor: f}]
"""


async def test_a_derived_input_is_explained_by_its_formula_and_channels(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    response = await client.put("/v1/facilities/mill", content=DERIVED.encode())
    assert response.status_code == 200, response.text
    for second in (0, 3600):
        send(connection, "t1", second, 100 + second / 3600)
        send(connection, "t2", second, 5 + second / 3600 * 0.06)
    total(connection, "grid", 1.0)
    parameters = {"facility": "mill", "source": "grid", "hour": HOUR.isoformat()}
    answer = (await client.get("/v1/explain", params=parameters)).json()
    assert answer["derived"] == {
        "channel": "main.import",
        "quantity": "energy",
        "unit": "kWh",
        "formula": "main.t1 + 2 * main.t2",
    }
    t1, t2 = answer["inputs"]
    assert (t1["role"], t1["scale"], t1["amount"]) == ("main.t1", 40, pytest.approx(40))
    assert t1["readings"]["first"]["value"] == 100
    assert (t2["role"], t2["scale"], t2["amount"]) == ("main.t2", None, pytest.approx(0.06))
    assert answer["minutes"][7]["inputs"] == {
        "main.t1": pytest.approx(40 / 60),
        "main.t2": pytest.approx(0.001),
    }
    Explanation.model_validate(answer)
    # readings are in the unit
    span = {"facility": "mill", "channel": "t1", "from": HOUR.isoformat(), "to": "2026-11-24"}
    rows = (await client.get("/v1/readings", params=span)).json()
    assert [row["value"] for row in rows] == [4000.0, 4040.0]


BOTH = """
facility: {id: pv, name: PV, timezone: UTC}
devices:
  - id: m
    channels:
      - {id: p, quantity: power, unit: kW, kind: gauge, max_gap: 3600, direction: both}
      - {id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 40}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources:
  - {id: grid, scope: 2, method: activity, input: m.p, factor: f}
  - {id: hall, scope: 2, method: activity, input: m.e, factor: f}
"""


async def test_export_stands_beside_the_activity(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    response = await client.put("/v1/facilities/pv", content=BOTH.encode())
    assert response.status_code == 200, response.text
    for second in range(0, 3600, 60):
        send(connection, "p", second, -8.0 if second >= 1800 else 6.0)
    for source in ("grid", "hall"):
        total(connection, source, 1.5)
    for table in ("emission_minute", "emission_hour"):
        connection.execute(
            f"UPDATE {table} SET activity_n = 3000000000, exported_n = 4000000000"  # noqa: S608
            " WHERE source_id = (SELECT id FROM source WHERE slug = 'grid')"
        )
    answer = await explain(client, facility="pv", source="grid")
    assert (answer["total"]["activity"], answer["total"]["exported"]) == (3.0, 4.0)
    (power,) = answer["inputs"]
    assert (power["mean"], power["exported"]) == (pytest.approx(3.0), pytest.approx(4.0))
    assert answer["minutes"][0]["exported"] == 4.0
    # a register of what is bought says nothing of export
    answer = await explain(client, facility="pv", source="hall")
    assert answer["total"]["exported"] is None
    span = {"facility": "pv", "from": HOUR.isoformat(), "to": "2026-11-23T11:00:00Z"}
    for interval in ("1h", "30m"):
        rows = (await client.get("/v1/emissions", params={**span, "interval": interval})).json()
        exported = {row["source"]: row["exported"] for row in rows[:2]}
        assert exported == {"grid": 4.0, "hall": None}

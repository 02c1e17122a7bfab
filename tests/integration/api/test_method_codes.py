"""Method codes and readings above full scale, wherever an hour is answered."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from typer.testing import CliRunner

from services.cli import app
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.services import as_login

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120,
         range: [0, 3000000], full_scale: 3000000}
sources:
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: cems.co2, flow: cems.flow},
     validity: part75, substitution: part75}
"""
START = instant("2026-03-01T00:00:00Z")
MINUTE = timedelta(minutes=1)
BOUNDS = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T03:00:00Z"}


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """A stack that is measured for an hour, and goes over its scale and is negative after it."""
    plant = Plant(database_url, FILE)
    readings = [
        Reading(channel, START + (60 * hour + minute) * MINUTE, value)
        for hour, (co2, flow) in enumerate([(10.5, 1e6), (10.5, 3.5e6), (-0.4, 1e6)])
        for minute in range(60)
        for channel, value in (("cems.co2", co2), ("cems.flow", flow))
    ]
    plant.store(readings)
    now = START + timedelta(hours=3, minutes=20)
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(now + MINUTE)
    yield plant
    plant.close()


@pytest.mark.usefixtures("plant")
async def test_rows_and_csv_of_hours_tell_their_code(client: httpx.AsyncClient) -> None:
    codes = ["quadrants", "quadrants flow:20", "quadrants co2:21"]
    parameters = {**BOUNDS, "interval": "1h"}
    answer = await client.get("/v1/emissions", params=parameters)
    assert [row["code"] for row in answer.json()] == codes
    assert answer.json()[1]["co2_kg"] == pytest.approx(32567.93, abs=0.01)
    text = (
        await client.get("/v1/emissions", params=parameters, headers={"Accept": "text/csv"})
    ).text
    assert [row["code"] for row in csv.DictReader(io.StringIO(text))] == codes
    # several hours have several codes
    whole = await client.get("/v1/emissions", params={**BOUNDS, "interval": "3h"})
    assert [row["code"] for row in whole.json()] == [None]
    quarters = await client.get("/v1/emissions", params={**BOUNDS, "interval": "15m"})
    assert {row["code"] for row in quarters.json()} == {None}


@pytest.mark.usefixtures("plant")
async def test_a_report_counts_the_hours_of_each_code(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/v1/reports", params={"year": 2026})).json()
    assert rows[0]["codes"] == "co2:01=2 co2:21=1 flow:01=2 flow:20=1"


@pytest.mark.usefixtures("plant")
async def test_an_explanation_shows_what_lay_above_full_scale(client: httpx.AsyncClient) -> None:
    body = (
        await client.get(
            "/v1/explain",
            params={
                "facility": "works",
                "source": "stack",
                "hour": "2026-03-01T01:00:00Z",
                "as_of": "2100-01-01T00:00:00Z",
            },
        )
    ).json()
    (flow,) = [each for each in body["closing"]["inputs"] if each["role"] == "flow"]
    assert (flow["value"], flow["code"], flow["least_known"]) == (6e6, "20", 6e6)
    assert "above its scale for 60 minutes" in flow["reason"]
    (read,) = [each for each in body["inputs"] if each["role"] == "flow"]
    assert (read["mean"], read["readings"]["over_full_scale"]) == (3.5e6, 60)
    assert body["versions"][-1]["code"] == "quadrants flow:20"


@pytest.mark.usefixtures("plant")
async def test_readings_above_full_scale_are_told_from_others(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/v1/readings", params={**BOUNDS, "channel": "flow"})).json()
    over = {row["time"][11:13] for row in rows if row["over_full_scale"]}
    assert (len(rows), over) == (180, {"01"})


def test_verify_computes_hours_above_full_scale_as_they_were(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(database_url, "tonne_aggregate"))
    verified = json.loads(CliRunner().invoke(app, ["verify", "--json"]).stdout)
    assert (verified["checked"], verified["differs"]) == (3, [])
    # a monitor whose scale was stated too low: its hours are restated
    apply_text(database_url, FILE.replace("3000000", "4000000"))
    now = START + timedelta(hours=3, minutes=30)
    for _ in range(2):
        plant.tick(now)
        plant.connection.execute("UPDATE touched SET committed_at = now()")
    rows = plant.rows("SELECT code, co2_ug / 1e9 FROM emission_hour ORDER BY hour")
    assert rows[1][0] == "quadrants"
    assert float(rows[1][1]) == pytest.approx(20.9 * 907.18474)

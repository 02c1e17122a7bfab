"""Reports of emissions: one record, the same figures in every format as in other answers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from pypdf import PdfReader

from services.core.runtime.clock import FixedClock
from tests.command import tonne
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.services import Postgres

FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: quarter, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end,
         uncertainty: 2}
      - {id: captured, quantity: mass, unit: kg, kind: interval, length: 15m, stamp: end}
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
factors:
  - {id: f, unit: kWh, co2_kg: 0.25, uncertainty: 5, citation: "=supplier's certificate"}
  - {id: f-market, unit: kWh, co2_kg: 0.1, citation: contract}
  - {id: co2, unit: kg, co2_kg: 1, citation: what is stored is CO2}
credits:
  - {id: forest, registry: Verra, serial: A-1, vintage: 2024, retired_on: 2026-08-15, tonnes: 5,
     kind: avoidance, document: retirement}
sources:
  - {id: grid, name: "=cmd|' /C calc'!A0", scope: 2, method: activity, input: meter.quarter,
     factor: f, market_factor: f-market}
  - {id: capture, scope: 1, method: activity, input: meter.captured, factor: co2,
     removal: {kind: dac, document: permit}}
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: cems.co2, flow: cems.flow},
     validity: part75, substitution: part75}
"""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
#: 00:00 of 1 August in Vienna; of the hour before it belongs to July
START = instant("2026-07-31T22:00:00Z")
OVER = instant("2026-08-31T22:00:00Z")
#: what came late made an hour anew then
RESTATED = OVER + 20 * HOUR


@pytest.fixture(scope="module")
def database_url(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    """Three hours of a month, one of them restated after it; tests only read it."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, FILE)
        plant.tick_as_if(START - HOUR)
        readings = []
        for quarter in range(-3, 13):
            at = START + quarter * 15 * MINUTE
            readings.append(Reading("meter.captured", at, 2.0))
            if quarter != 6:
                readings.append(Reading("meter.quarter", at, 5.123))
        for minute in range(120):
            at = START + minute * MINUTE
            readings += [Reading("cems.co2", at, 10.0), Reading("cems.flow", at, 1_000_000.0)]
        plant.store(readings)
        plant.tick_as_if(START + 6 * HOUR)
        plant.tick_as_if(START + 6 * HOUR + MINUTE)
        plant.store([Reading("meter.quarter", START + 90 * MINUTE, 5.0)])
        plant.tick_as_if(RESTATED)
        plant.close()
        yield url


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(OVER + 24 * HOUR)


async def report(client: httpx.AsyncClient, **asked: str) -> dict[str, Any]:
    answer = await client.get("/v1/reports/emissions", params={"period": "2026-08", **asked})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


FIGURES = (
    "co2_kg", "co2e_kg", "co2_biogenic_kg", "co2_market_kg", "co2_low_kg", "co2_high_kg",
    "coverage", "share_measured", "share_substituted", "share_estimated", "share_missing",
    "quality", "state",
)  # fmt: skip


@pytest.mark.parametrize(
    ("period", "interval"), [("2026-08", "1mo"), ("2026-Q3", "3mo"), ("2026", "1y")]
)
async def test_figures_are_those_of_emissions(
    client: httpx.AsyncClient, period: str, interval: str
) -> None:
    body = await report(client, period=period)
    begins = body["facilities"][0]["begins"]
    ends = min(body["facilities"][0]["ends"], body["known_at"])
    asked = {"facility": "works", "interval": interval, "from": begins, "to": ends}
    rows = (await client.get("/v1/emissions", params=asked)).json()
    sources = {row["source"]: row for row in body["sources"]}
    for row in rows:
        its = sources[row["source"]]
        assert {key: its[key] for key in FIGURES if key != "quality"} == {
            key: pytest.approx(row[key], abs=1e-12) if "share" in key else row[key]
            for key in FIGURES
            if key != "quality"
        }
        assert (its["activity"], its["scope"]) == (row["activity"], row["scope"])
    assert {row["standing"] for row in body["sources"]} == {"counts", "removes"}
    for group_by in ("facility", "scope"):
        groups = (await client.get("/v1/emissions", params={**asked, "group_by": group_by})).json()
        for group in groups:
            (its,) = [row for row in body["totals"] if row["scope"] == group["scope"]]
            assert (its["co2_kg"], its["co2_market_kg"], its["coverage"], its["state"]) == (
                group["co2_kg"], group["co2_market_kg"], group["coverage"], group["state"],
            )  # fmt: skip
    months = [row["co2_kg"] for row in body["months"] if row["co2_kg"] is not None]
    (whole,) = [row for row in body["totals"] if row["scope"] is None]
    assert sum(round(kg * 1e9) for kg in months) == round(whole["co2_kg"] * 1e9)


async def test_a_restated_hour_stands_with_its_difference(client: httpx.AsyncClient) -> None:
    (row,) = (await report(client))["restatements"]
    assert (row["source"], row["reason"], row["changes"]) == ("grid", "late readings", 1)
    assert (row["first_hour"], row["difference_kg"]) == ("2026-07-31T23:00:00Z", 1.25)
    ledger = (await client.get("/v1/restatements")).json()
    assert [entry["difference_kg"] for entry in ledger] == [row["difference_kg"]]
    later = await report(client, since=(RESTATED + MINUTE).isoformat())
    assert later["restatements"] == []
    # as the report was before
    then = await report(client, as_of=(RESTATED - MINUTE).isoformat())
    now = await report(client)
    old, new = (
        next(row["co2_kg"] for row in body["totals"] if row["scope"] == 2) for body in (then, now)
    )
    assert round(new * 1e9) - round(old * 1e9) == round(1.25 * 1e9)
    assert then["restatements"] == []


async def test_methods_factors_rules_and_credits_are_told(client: httpx.AsyncClient) -> None:
    body = await report(client, period="2026-Q3")
    methods = {row["source"]: row for row in body["methods"]}
    assert methods["stack"]["equation"] == "F-11"
    assert (methods["stack"]["validity"], methods["grid"]["factor"]) == ("part75", "f")
    factors = {row["id"]: row for row in body["factors"]}
    assert (factors["f"]["co2_kg"], factors["f"]["sources"]) == (0.25, "grid")
    ruled = (await client.get("/v1/reports", params={"year": 2026})).json()
    (rule,) = body["rules"]
    (quarter,) = [row for row in ruled if row["period"] == "2026-Q3"]
    assert (rule["value"], rule["unit"]) == (quarter["value"], quarter["unit"])
    beside = {row["id"]: row for row in body["removals"]}
    assert (beside["forest"]["kg"], beside["forest"]["origin"]) == (5000.0, "credit")
    assert beside["capture"]["origin"] == "measured"


async def test_what_is_missing_is_said_and_is_no_zero(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    body = await report(client)
    said = [remark["text"] for remark in body["remarks"] if remark["level"] == "warning"]
    assert any("of the time of the sources is unknown" in text for text in said)
    assert body["state"] == "provisional"
    earlier = await report(client, period="2026-06")
    assert {row["co2_kg"] for row in earlier["sources"]} == {None}
    clock.instant = OVER - HOUR
    said = [remark["text"] for remark in (await report(client))["remarks"]]
    assert any("not over before 2026-08-31T22:00:00Z" in text for text in said)


async def test_csv_has_the_same_figures_and_no_formula(client: httpx.AsyncClient) -> None:
    body = await report(client)
    asked = {"period": "2026-08", "facility": "works", "format": "csv"}
    answer = await client.get("/v1/reports/emissions", params=asked)
    assert 'filename="works-2026-08.csv"' in answer.headers["content-disposition"]
    rows = {row["source"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    for row in body["sources"]:
        of_file = rows[row["source"]]["co2_kg"]
        assert (float(of_file) if of_file else None) == row["co2_kg"]
    assert rows["grid"]["name"].startswith("'=")
    entries = (await client.get("/v1/audit", params={"action": "report.export"})).json()
    assert entries[0]["subject"] == "emissions"


async def test_files_have_the_same_figures(client: httpx.AsyncClient) -> None:
    sources = {row["source"]: row for row in (await report(client))["sources"]}
    asked = {"period": "2026-08", "facility": "works"}
    answer = await client.get("/v1/reports/emissions", params={**asked, "format": "xlsx"})
    sheet: Any = openpyxl.load_workbook(io.BytesIO(answer.content))["Sources"]
    head, *rows = sheet.iter_rows(values_only=True)
    of_sheet = {row[head.index("Source")]: row[head.index("CO2 (kg)")] for row in rows}
    assert of_sheet == {slug: pytest.approx(row["co2_kg"]) for slug, row in sources.items()}
    answer = await client.get("/v1/reports/emissions", params={**asked, "format": "pdf"})
    assert 'filename="works-2026-08.pdf"' in answer.headers["content-disposition"]
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    for row in sources.values():
        assert f"{row['co2_kg']:,.3f}" in text
    assert "late readings" in text
    for language, title in (("de", "Emissionen von Works"), ("zh", "Works 2026-08 排放")):
        chosen = {**asked, "format": "pdf", "language": language}
        answer = await client.get("/v1/reports/emissions", params=chosen)
        read = PdfReader(io.BytesIO(answer.content))
        assert title in read.pages[0].extract_text()
        assert read.trailer["/Root"]["/Lang"] == language


def test_the_command_writes_the_same_report(database_url: str, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    words = ("report", "emissions", "2026-08", "--format", "json", "--output", target)
    ended = tonne(database_url, *words, "--facility", "works")
    assert ended.code == 0, ended.said
    body = json.loads(target.read_text())
    assert {row["source"] for row in body["sources"]} == {"grid", "capture", "stack"}
    assert "no facility" in tonne(database_url, *words, "--facility", "nowhere").stderr
    assert "2026-Q3" in tonne(database_url, "report", "emissions", "August").stderr


async def test_what_is_no_period_is_refused_with_what_to_do(client: httpx.AsyncClient) -> None:
    for period, word in (("2026-13", "2026-Q3"), ("2027-01", "has not begun")):
        answer = await client.get("/v1/reports/emissions", params={"period": period})
        assert answer.status_code == 422
        assert word in answer.text
    answer = await client.get(
        "/v1/reports/emissions", params={"period": "2026-08", "facility": "nowhere"}
    )
    assert answer.status_code == 404

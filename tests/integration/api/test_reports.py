"""Quarters and years in the rule's own rounding."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx
import pytest

from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant

FILE = """
facility: {id: works, name: Works, timezone: America/New_York}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
      - {id: load, quantity: power, unit: MW, kind: gauge, max_gap: 7200}
      - {id: captured, quantity: mass_flow, unit: kg/h, kind: gauge, max_gap: 7200}
factors:
  - {id: co2, unit: kg, co2_kg: 1, citation: what is stored is CO2}
removals:
  - {id: biochar, kind: biogenic, tonnes: 0.092, from: 2026-07-01, to: 2026-10-01, document: log}
credits:
  - {id: forest, registry: Verra, serial: A-1, vintage: 2024, retired_on: 2026-08-15, tonnes: 5,
     kind: avoidance, document: retirement}
sources:
  - {id: capture, scope: 1, method: activity, input: cems.captured, factor: co2,
     removal: {kind: dac, document: permit}}
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems.co2, flow: cems.flow}
    operating: {channel: cems.load, above: 5}
    validity: part75
    substitution: part75
"""
MINUTE = timedelta(minutes=1)
#: the third quarter ends with the first of these hours
START = instant("2026-10-01T04:00:00Z")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    yield plant
    plant.close()


def run(plant: Plant, *, flow: bool = True) -> None:
    """A quarter of an hour of operation in each of two hours, at 8.5 short tons an hour."""
    readings = []
    for hour in range(2):
        begins = START + timedelta(hours=hour)
        readings += [
            Reading("cems.load", begins, 80.0),
            Reading("cems.load", begins + 15 * MINUTE, 0.0),
        ]
        for minute in range(15):
            at = begins + minute * MINUTE
            readings.append(Reading("cems.co2", at, 10.0))
            if flow or hour == 0:
                readings.append(Reading("cems.flow", at, 1_491_000.0))
    plant.store(readings)
    close(plant, START + timedelta(hours=2, minutes=20))


def close(plant: Plant, now: datetime) -> None:
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(now + MINUTE)


async def test_a_quarter_is_rounded_once_and_a_year_adds_quarters_as_reported(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    run(plant)
    rows = (await client.get("/v1/reports", params={"facility": "works"})).json()
    first, second, third, fourth, year = rows
    assert [row["period"] for row in rows] == ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4", "2026"]
    assert (first["value"], first["reason"]) == (None, "no hour was judged")
    assert (third["ends"], fourth["time"]) == ("2026-10-01T05:00:00Z", "2026-10-01T05:00:00Z")
    # 8.5 x 0.25 = 2.125
    assert (third["unrounded"], third["value"], third["unit"]) == (2.125, 2.1, "short ton")
    assert third["co2_kg"] == pytest.approx(2.1 * 907.18474)
    # 2.1 + 2.1, where one rounding of the year would make 4.3 of 4.25
    assert (year["value"], year["unrounded"]) == (4.2, 4.2)
    assert (third["state"], third["hours_waiting"], third["operating_h"]) == ("final", 0, 0.25)
    assert (fourth["state"], second["state"], year["state"]) == ("provisional",) * 3
    assert fourth["hours_waiting"] > 1000
    assert (third["equation"], third["citation"]) == ("F-11", "40 CFR 75 App. F, eq. F-11")


async def test_what_the_facility_removed_and_retired_stands_beside_each_period(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    plant.store([Reading("cems.captured", START, 100.0)])
    plant.store([Reading("cems.captured", START + timedelta(hours=1), 0.0)])
    run(plant)
    rows = (await client.get("/v1/reports", params={"facility": "works"})).json()
    _, second, third, _, year = rows
    assert third["value"] == 2.1
    # an hour of 100 kg; the stated removal is of local days, and periods are cut in standard time
    assert third["facility_removed_kg"] == pytest.approx(100 + 92 * 2207 / 2208)
    assert year["facility_removed_kg"] == pytest.approx(100 + 92)
    assert (third["facility_credits_kg"], year["facility_credits_kg"]) == (5000, 5000)
    assert second["facility_credits_kg"] == 0
    # of that quarter nothing is known of what was captured
    assert second["facility_removed_kg"] is None
    # on the first of August nothing was captured yet, nor a credit retired
    plant.connection.execute("UPDATE removal_revision SET known_at = '2026-01-01'")
    earlier = {"facility": "works", "as_of": "2026-08-01T04:00:00Z"}
    _, _, third, _ = (await client.get("/v1/reports", params=earlier)).json()
    assert (third["facility_removed_kg"], third["facility_credits_kg"]) == (None, 0)


async def test_an_hour_that_cannot_be_computed_leaves_its_period_without_a_value(
    plant: Plant, client: httpx.AsyncClient, database_url: str
) -> None:
    apply_text(database_url, FILE.replace("substitution: part75", "substitution: none"))
    run(plant, flow=False)
    rows = (await client.get("/v1/reports", params={"year": 2026, "source": "stack"})).json()
    why = "hour 2026-10-01T05:00:00Z operated and has no rate"
    assert (rows[3]["value"], rows[3]["reason"]) == (None, why)
    assert rows[2]["value"] == 2.1
    assert (rows[4]["value"], rows[4]["reason"]) == (None, f"quarter 4 is not computable: {why}")


async def test_a_gap_at_the_end_of_a_quarter_waits_for_the_next_one(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    first = START - timedelta(hours=1)

    def measured(begins: datetime, co2: float | None) -> list[Reading]:
        found = []
        for minute in range(60):
            at = begins + minute * MINUTE
            found.append(Reading("cems.flow", at, 1_000_000.0))
            if co2 is not None:
                found.append(Reading("cems.co2", at, co2))
        return found

    # the quarter's last hour has no CO2
    plant.store(measured(first, 10.0) + measured(START, None))
    close(plant, START + timedelta(hours=1, minutes=20))
    third = (await client.get("/v1/reports")).json()[2]
    # 10.0 and the hour before alone: 5.7 + 5.7
    assert (third["value"], third["state"], third["hours_waiting"]) == (11.4, "provisional", 1)
    plant.store(measured(START + timedelta(hours=1), 12.0))
    close(plant, START + timedelta(hours=2, minutes=20))
    third = (await client.get("/v1/reports")).json()[2]
    # (10.0 + 12.0) / 2 makes 6.3
    assert (third["value"], third["state"], third["hours_waiting"]) == (12.0, "final", 0)


async def test_a_year_under_other_rules_is_rounded_once(
    plant: Plant, client: httpx.AsyncClient, database_url: str
) -> None:
    apply_text(database_url, FILE.replace("equation: F-11", "equation: C-6"))
    run(plant)
    text = (await client.get("/v1/reports", headers={"Accept": "text/csv"})).text
    rows = list(csv.DictReader(io.StringIO(text)))
    # 5.18e-7 x 10 x 1 491 000 / 4 = 1.930845 t
    assert [row["value"] for row in rows] == ["", "", "1.9", "1.9", "3.9"]
    assert rows[4]["unit"] == "t"


@pytest.mark.usefixtures("plant")
async def test_what_has_no_report_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/reports", params={"source": "other"})).status_code == 404
    assert (await client.get("/v1/reports", params={"facility": "other"})).status_code == 404
    assert (await client.get("/v1/reports", params={"year": 1})).status_code == 422


@pytest.mark.vector
@pytest.mark.usefixtures("plant")
async def test_quarters_of_part75_are_in_standard_time_all_year(
    client: httpx.AsyncClient, database_url: str
) -> None:
    """C14: ECMPS keeps its hours in standard time; New York's is UTC-5 in July too."""
    rows = (await client.get("/v1/reports", params={"year": 2026})).json()
    assert [row["reporting_zone"] for row in rows] == ["standard"] * 5
    assert (rows[0]["time"], rows[1]["time"]) == ("2026-01-01T05:00:00Z", "2026-04-01T05:00:00Z")
    assert (rows[2]["time"], rows[2]["ends"]) == ("2026-07-01T05:00:00Z", "2026-10-01T05:00:00Z")
    # who says local gets the clock's
    apply_text(database_url, FILE.replace("_York}", "_York, reporting_zone: local}"))
    (third,) = [
        row
        for row in (await client.get("/v1/reports", params={"year": 2026})).json()
        if row["period"] == "2026-Q3"
    ]
    assert (third["time"], third["ends"]) == ("2026-07-01T04:00:00Z", "2026-10-01T04:00:00Z")
    assert third["reporting_zone"] == "local"


@pytest.mark.usefixtures("plant")
async def test_without_part75_quarters_are_by_the_facilitys_clock(
    client: httpx.AsyncClient, database_url: str
) -> None:
    other = FILE.replace("part75", "mrr")
    apply_text(database_url, other)
    rows = (await client.get("/v1/reports", params={"year": 2026})).json()
    assert (rows[2]["time"], rows[2]["reporting_zone"]) == ("2026-07-01T04:00:00Z", "local")
    apply_text(database_url, other.replace("_York}", "_York, reporting_zone: standard}"))
    rows = (await client.get("/v1/reports", params={"year": 2026})).json()
    assert (rows[2]["time"], rows[2]["reporting_zone"]) == ("2026-07-01T05:00:00Z", "standard")


@pytest.mark.usefixtures("plant")
async def test_an_explanation_says_which_time_reports_of_its_hour_are_cut_by(
    client: httpx.AsyncClient, database_url: str
) -> None:
    async def zone() -> str:
        hour = {"hour": "2026-10-01T04:00:00Z", "as_of": "2090-01-01T00:00:00Z"}
        params = {"facility": "works", "source": "stack", **hour}
        answer = await client.get("/v1/explain", params=params)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["closing"]["reporting_zone"])

    assert await zone() == "standard"
    apply_text(database_url, FILE.replace("_York}", "_York, reporting_zone: local}"))
    assert await zone() == "local"
    under_another_rule = FILE.replace("part75", "mrr")
    apply_text(database_url, under_another_rule)
    assert await zone() == "local"
    # one source under Part 75 is enough for those beside it
    second = FILE[FILE.index("  - id: stack") :].replace("id: stack", "id: other")
    apply_text(database_url, under_another_rule + second)
    assert await zone() == "standard"

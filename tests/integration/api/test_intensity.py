"""Emissions by unit of production: registers, gauges and events, shares, and what was known."""

from __future__ import annotations

import csv
import io
import math
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pyarrow as pa
import pytest

from services.cli.verify import verified
from services.core.runtime.clock import FixedClock
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.integration.packed import pack_some_minutes
from tests.services import Postgres

#: Half past six in the evening of Vienna.
NOW = instant("2026-11-23T17:30:30Z")
TEN = instant("2026-11-22T10:00:00Z")
HOUR = timedelta(hours=1)

FILE = """
facility: {id: mill, name: Rolling mill, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: grid, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start,
         range: [0, 10000], uncertainty: 2}
      - {id: gas, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start,
         range: [0, 10000], uncertainty: 2}
  - id: scale
    channels:
      - {id: billets, quantity: mass, unit: kg, kind: counter, max_rate: 100000, uncertainty: 1}
      - {id: slabs, quantity: mass_flow, unit: t/h, kind: gauge, max_gap: 2h}
      - {id: iron, quantity: mass, unit: kg, kind: event, since: 2026-11-22T00:00:00Z,
         range: [0, 100000]}
  - id: press
    channels:
      - {id: parts, quantity: count, unit: piece, kind: event, since: 2026-11-22T00:00:00Z,
         range: [0, 1000000]}
  - id: mes
    channels:
      - {id: batch, quantity: count, unit: piece, kind: event, since: 2026-11-22T00:00:00Z}
factors:
  - {id: grid, unit: kWh, co2_kg: 0.5, citation: a, uncertainty: 3}
  - {id: gas, unit: kWh, co2_kg: 0.2, citation: b, uncertainty: 3}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.grid, factor: grid}
  - {id: boiler, scope: 1, method: activity, input: meter.gas, factor: gas}
products:
  - id: billets
    name: Steel billets
    unit: t
    production: scale.billets
    batch_channel: mes.batch
    sources: [boiler]
    shared:
      - {source: grid, method: area, key: 1200, total: 2000, unit: m2, citation: floor plan}
      - {source: grid, method: area, key: 1000, total: 2000, unit: m2, valid_from: 2026-11-23}
    precursors:
      - {name: pig iron, consumption: scale.iron, unit: t, direct_kg: 2000, indirect_kg: 100,
         citation: supplier 2026, valid_to: 2026-11-23}
      - {name: pig iron, consumption: scale.iron, unit: t, direct_kg: 1500, citation: supplier 2027,
         valid_from: 2026-11-23}
    footprint:
      company: Example Steel Ltd
      company_ids: ["urn:company:example.com:steel"]
      product_ids: ["urn:product:example.com:billet-150"]
      description: Billets, 150 mm
      fossil_carbon_kg: 0.8
      biogenic_carbon_kg: 3
      standards: [ISO14067, PACT-3.0]
      country: AT
    cbam:
      goods: iron-and-steel
      cn_code: 7207 11 14
      route: electric arc furnace
      deductions:
        - {name: sold slabs, channel: scale.slabs, unit: t, kg: 10, citation: contract}
  - id: slabs
    unit: t
    production: scale.slabs
    footprint: {company: Example Steel Ltd, company_ids: ["urn:a:b"], product_ids: ["urn:a:c"],
      description: Slabs, fossil_carbon_kg: 0, standards: [ISO14067]}
  - id: parts
    unit: piece
    production: [press.parts]
    shared: [{source: grid, method: stated, share: 40}]
    batches: [{id: lot-1, from: 2026-11-22T10:00:00Z, to: 2026-11-22T11:30:00Z}]
"""

#: By hour from ten on: kWh of the grid and of gas, and what the register of billets stands at.
GRID = [100, 300, 0, 0]
GAS = [1000, 0, 0, 0]
BILLETS = [0, 4000, 5000, 5000, 5000]


def readings() -> list[Reading]:
    found = [Reading("meter.grid", TEN + i * HOUR, float(kwh)) for i, kwh in enumerate(GRID)]
    found += [Reading("meter.gas", TEN + i * HOUR, float(kwh)) for i, kwh in enumerate(GAS)]
    found += [Reading("scale.billets", TEN + i * HOUR, float(kg)) for i, kg in enumerate(BILLETS)]
    found += [Reading("scale.slabs", TEN + i * HOUR / 2, 6.0) for i in range(3)]
    found.append(Reading("press.parts", TEN + HOUR / 2, 500.0))
    batches = [(0, 7), (45, 0), (60, 8), (90, 8), (120, 0), (26 * 60, 9)]
    found += [
        Reading("mes.batch", TEN + timedelta(minutes=at), float(number)) for at, number in batches
    ]
    found += [
        Reading("scale.iron", TEN + HOUR / 4, 3000.0),
        Reading("scale.iron", TEN + timedelta(days=1), 1000.0),
    ]
    # the next day: 200 kWh and 2 t between ten and eleven
    next_day = TEN + timedelta(days=1)
    found += [
        Reading("meter.grid", next_day, 200.0),
        Reading("meter.gas", next_day, 0.0),
        Reading("scale.billets", next_day, 5000.0),
        Reading("scale.billets", next_day + HOUR, 7000.0),
    ]
    return found


@pytest.fixture(scope="module")
def mill(postgres_cluster: Postgres, migrated_template: str) -> Iterator[tuple[Plant, str]]:
    """Two days of a mill, its hours final."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, FILE)
        plant.store(readings(), live=False)
        plant.tick(NOW)
        ruled.close_all(plant, NOW)
        yield plant, url
        plant.close()


@pytest.fixture
def database_url(mill: tuple[Plant, str]) -> str:
    """The API's database, in place of an empty one."""
    return mill[1]


async def rows(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    asked = {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T12:00:00Z", "interval": "1h"}
    response = await client.get("/v1/intensity", params=asked | parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


@pytest.mark.vector
async def test_each_kind_of_channel_counts_a_product(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    by_hour = {(row["product"], row["time"][11:13]): row for row in await rows(client)}
    # 200 kg of gas and 60 % of 50 kg by 4 t; then 60 % of 150 kg by 1 t
    first, second = by_hour["billets", "10"], by_hour["billets", "11"]
    assert (first["production"], first["co2_kg"], first["co2_kg_per_unit"]) == (4.0, 230.0, 57.5)
    assert (second["production"], second["co2_kg"], second["co2_kg_per_unit"]) == (1.0, 90.0, 90.0)
    assert (first["coverage"], first["production_coverage"]) == (1.0, 1.0)
    assert first["state"] == "final"
    assert first["allocation"] == "boiler 1 whole, grid 0.6 area"
    # 40 % of 50 kg by 500 pieces; in the next hour there are none
    assert by_hour["parts", "10"]["co2_kg_per_unit"] == 0.04
    nothing = by_hour["parts", "11"]
    assert (nothing["production"], nothing["co2_kg"]) == (0.0, 60.0)
    assert (nothing["co2_kg_per_unit"], nothing["code"]) == (None, "no-production")
    # a gauge of 6 t/h, and no source
    slabs = by_hour["slabs", "10"]
    assert (slabs["production"], slabs["code"], slabs["coverage"]) == (6.0, "no-sources", None)


@pytest.mark.vector
async def test_a_batch_is_told_by_a_channel_or_stated(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    asked = {"from": "2026-11-22T10:30:00Z", "to": "2026-11-23T10:00:00Z", "interval": "batch"}
    told = {row["batch"]: row for row in await rows(client, **asked)}
    assert set(told) == {"7", "8", "lot-1"}
    seven = told["7"]
    # 45 minutes of an hour: 150 kg of gas and 60 % of 37.5 kg by 3 t
    assert (seven["time"], seven["until"]) == ("2026-11-22T10:00:00Z", "2026-11-22T10:45:00Z")
    assert seven["co2_kg"] == pytest.approx(172.5)
    assert seven["co2_kg_per_unit"] == pytest.approx(57.5)
    assert (seven["coverage"], seven["state"]) == (1.0, "final")
    assert (told["8"]["product"], told["8"]["co2_kg_per_unit"]) == ("billets", pytest.approx(90))
    # 40 % of 50 kg and of half of 150 kg by 500 pieces
    assert told["lot-1"]["co2_kg_per_unit"] == pytest.approx(0.1)
    asked = {"from": "2026-11-23T12:00:00Z", "to": "2026-11-24T00:00:00Z", "interval": "batch"}
    (running,) = await rows(client, **asked)
    assert (running["batch"], running["until"]) == ("9", "2026-11-23T17:30:00Z")
    answer = await client.get("/v1/intensity", params={"interval": "batch", "as_of": "now"})
    assert answer.status_code == 422


@pytest.mark.vector
async def test_a_days_figure_is_a_ratio_of_sums(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    (row,) = await rows(client, interval="1d", product="billets", facility="mill")
    # 320 kg by 5 t; the mean of the hours' figures would be 73.75
    assert (row["time"], row["until"]) == ("2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z")
    assert (row["co2_kg"], row["production"], row["co2_kg_per_unit"]) == (320.0, 5.0, 64.0)
    # four of 24 hours are known of both sources
    assert row["coverage"] == round(4 / 24, 6)
    assert (row["co2_kg"], row["state"]) == (320.0, "provisional")


@pytest.mark.vector
async def test_cbam_has_quarters_and_the_year_with_precursors(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    response = await client.get("/v1/reports/cbam", params={"facility": "mill"})
    assert response.status_code == 200, response.text
    told = {row["period"]: row for row in response.json()}
    assert list(told) == ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4", "2026"]
    assert told["2026-Q3"]["code"] == "production-unknown"
    quarter, year = told["2026-Q4"], told["2026"]
    assert (quarter["time"], quarter["until"]) == ("2026-09-30T22:00:00Z", "2026-12-31T23:00:00Z")
    assert (quarter["policy"], quarter["gases"], quarter["indirect_counts"]) == (
        "eu-2025-2547",
        "co2",
        False,
    )
    # slabs: six tonnes an hour for three hours, two of which the gauge's last reading holds
    assert quarter["deductions"] == "sold slabs 18 t of 10 kg (contract)"
    left_kg = 180.0
    assert quarter["direct_kg"] == pytest.approx(200 - left_kg)
    # 60 % of 200 kg, then half of 100 kg
    assert quarter["indirect_kg"] == 170.0
    # 3 t of 2000 and 100 kg, then 1 t of 1500
    assert (quarter["precursors_direct_kg"], quarter["precursors_indirect_kg"]) == (7500.0, 300.0)
    assert quarter["production"] == 7.0
    direct = (200 - left_kg + 7500) / 7
    assert quarter["direct_kg_per_unit"] == pytest.approx(direct)
    assert quarter["embedded_kg_per_unit"] == pytest.approx(direct)
    assert quarter["indirect_kg_per_unit"] == pytest.approx((170 + 300) / 7)
    assert quarter["precursors"] == (
        "pig iron 3 t of 2000 + 100 kg (supplier 2026); pig iron 1 t of 1500 + 0 kg (supplier 2027)"
    )
    assert {**year, "period": "", "time": "", "coverage": 0, "production_coverage": 0} == {
        **quarter,
        "period": "",
        "time": "",
        "coverage": 0,
        "production_coverage": 0,
    }


#: Of the public data model (PACT Technical Specifications 3.0.3, schema ProductFootprint): what is
#: required, and the form that it has. The schema itself may not be passed on.
_DECIMAL = r"[+-]?\d+(\.\d+)?"
_NOT_NEGATIVE = r"[+]?\d+(\.\d+)?"
_REQUIRED = {
    "id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "specVersion": r"\d+\.\d+\.\d+(-\d{8})?",
    "created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "status": "Active|Deprecated",
    "companyName": ".+",
    "companyIds": "urn:.+",
    "productDescription": ".*",
    "productIds": "urn:.+",
    "productNameCompany": ".+",
}
_REQUIRED_OF_PCF = {
    "declaredUnitOfMeasurement": "liter|kilogram|cubic meter|kilowatt hour|megajoule|ton kilometer"
    "|square meter|piece|hour|megabit second",
    "declaredUnitAmount": r"[+]?(\d*[1-9]\d*(\.\d+)?|0+\.\d*[1-9]\d*)",
    "productMassPerDeclaredUnit": _DECIMAL,
    "referencePeriodStart": _REQUIRED["created"],
    "referencePeriodEnd": _REQUIRED["created"],
    "pcfExcludingBiogenicUptake": _DECIMAL,
    "pcfIncludingBiogenicUptake": _DECIMAL,
    "fossilGhgEmissions": _NOT_NEGATIVE,
    "fossilCarbonContent": _NOT_NEGATIVE,
    "ipccCharacterizationFactors": r"AR\d+",
    "crossSectoralStandards": ".+",
    "exemptedEmissionsPercent": _DECIMAL,
}


def conforms(part: dict[str, Any], required: dict[str, str]) -> None:
    for key, form in required.items():
        values = part[key] if isinstance(part[key], list) else [part[key]]
        assert values
        assert len(set(values)) == len(values)
        for value in values:
            assert re.fullmatch(form, value), (key, value)


@pytest.mark.vector
async def test_a_footprint_is_of_the_public_data_model(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    asked = {"from": "2026-11-22T00:00:00+01:00", "to": "2026-11-24T00:00:00+01:00"}
    response = await client.get("/v1/footprints", params=asked)
    assert response.status_code == 200, response.text
    refused = response.json()
    assert refused["data"] == []
    (billets,) = (one for one in refused["missing"] if one["product"] == "billets")
    assert billets["code"] == "coverage-too-low"
    assert 0 < billets["coverage"] < 0.9
    percent = math.floor(billets["coverage"] * 10_000) / 100
    assert billets["reason"].startswith(
        f"emissions known for {percent:g} % of the period, 90 % are asked for: "
    )
    asked["min_coverage"] = str(billets["coverage"])
    response = await client.get("/v1/footprints", params=asked)
    body = response.json()
    (told,) = body["data"]
    conforms(told, _REQUIRED)
    conforms(told["pcf"], _REQUIRED_OF_PCF)
    assert f"emissions known for {percent:g} %" in told["comment"]
    pcf = told["pcf"]
    assert (pcf["declaredUnitOfMeasurement"], pcf["productMassPerDeclaredUnit"]) == (
        "kilogram",
        "1",
    )
    # 370 kg of sources; 3 t of 2100 kg and 1 t of 1500 kg of pig iron; by 7000 kg
    by_kg = (370 + 3 * 2100 + 1500) / 7000
    assert float(pcf["pcfExcludingBiogenicUptake"]) == pytest.approx(by_kg)
    assert pcf["fossilGhgEmissions"] == pcf["pcfExcludingBiogenicUptake"]
    # 3 kg of carbon in a tonne took 11 kg of CO2 out of the air
    assert float(pcf["pcfIncludingBiogenicUptake"]) == pytest.approx(by_kg - 0.011)
    assert pcf["biogenicCO2Uptake"] == "-0.011"
    assert pcf["referencePeriodStart"] == "2026-11-21T23:00:00Z"
    assert pcf["ipccCharacterizationFactors"] == ["AR6"]
    names = [source["name"] for source in pcf["secondaryEmissionFactorSources"]]
    assert names == ["gas: b", "grid: a"]
    assert pcf["geographyCountry"] == "AT"
    assert {"geographyCountrySubdivision", "primaryDataShare"}.isdisjoint(pcf)
    (missing,) = body["missing"]
    assert (missing["product"], missing["code"]) == ("slabs", "no-sources")
    again = (await client.get("/v1/footprints", params=asked)).json()
    assert again["data"][0]["id"] == told["id"]


async def test_the_band_combines_meters_factors_and_the_scale(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    first = next(r for r in await rows(client) if r["product"] == "billets")
    # by t: 50 kg of gas, 7.5 kg of the grid; 2 and 3 % of each, 1 % of both
    half = ((50 * 0.02) ** 2 + (50 * 0.03) ** 2 + (7.5 * 0.02) ** 2 + (7.5 * 0.03) ** 2) + (
        57.5 * 0.01
    ) ** 2
    assert first["co2_low_kg_per_unit"] == pytest.approx(57.5 - half**0.5)
    assert first["co2_high_kg_per_unit"] == pytest.approx(57.5 + half**0.5)
    parts = next(r for r in await rows(client) if r["product"] == "parts")
    assert parts["co2_low_kg_per_unit"] is None


async def test_a_dated_share_counts_from_its_day_on(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    asked = {"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T12:00:00Z", "product": "billets"}
    _, second = await rows(client, interval="1d", **asked)
    # half of 100 kg by 2 t
    assert (second["co2_kg"], second["co2_kg_per_unit"]) == (50.0, 25.0)
    (month,) = await rows(client, interval="1mo", **asked)
    # 320 kg and 50 kg by 7 t
    assert (month["co2_kg"], month["production"]) == (370.0, 7.0)
    assert month["co2_kg_per_unit"] == 370 / 7
    assert month["allocation"] == "boiler 1 whole, grid 0.6 area, grid 0.5 area"


async def test_what_is_unknown_is_no_figure(client: httpx.AsyncClient, clock: FixedClock) -> None:
    clock.instant = NOW
    before = {"from": "2026-11-22T08:00:00Z", "to": "2026-11-22T09:00:00Z"}
    told = {row["product"]: row for row in await rows(client, **before)}
    assert told["billets"]["code"] == "production-unknown"
    assert (told["billets"]["production"], told["billets"]["co2_kg"]) == (None, None)
    assert told["billets"]["production_coverage"] == 0.0
    assert "production channel" in told["billets"]["reason"]
    # the log of events began at midnight
    assert told["parts"]["code"] == "no-production"


async def test_production_is_no_emission(client: httpx.AsyncClient, clock: FixedClock) -> None:
    clock.instant = NOW
    live = (await client.get("/v1/live", params={"facility": "mill"})).json()
    assert {source["id"] for source in live["sources"]} == {"grid", "boiler"}
    (facility,) = (await client.get("/v1/facilities")).json()
    assert {source["id"] for source in facility["sources"]} == {"grid", "boiler"}
    emissions = await client.get("/v1/emissions", params={"from": "2026-11-22T00:00:00Z"})
    assert {row["source"] for row in emissions.json()} == {"grid", "boiler"}
    restated = await client.get("/v1/restatements", params={"source": "press.parts"})
    assert restated.status_code == 404


async def test_every_format_has_the_same_rows(client: httpx.AsyncClient, clock: FixedClock) -> None:
    clock.instant = NOW
    told = await rows(client)
    asked = {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T12:00:00Z", "interval": "1h"}
    text = await client.get("/v1/intensity", params={**asked, "format": "csv"})
    by_csv = list(csv.DictReader(io.StringIO(text.text)))
    assert [row["product"] for row in by_csv] == [row["product"] for row in told]
    assert [row["co2_kg_per_unit"] for row in by_csv][:2] == ["57.5", "0.04"]
    arrow = await client.get("/v1/intensity", params={**asked, "format": "arrow"})
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.column("co2_kg_per_unit").to_pylist() == [r["co2_kg_per_unit"] for r in told]


async def test_an_answer_is_not_sent_twice(client: httpx.AsyncClient, clock: FixedClock) -> None:
    clock.instant = NOW
    asked = {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T12:00:00Z", "interval": "1h"}
    first = await client.get("/v1/intensity", params=asked)
    again = {"If-None-Match": first.headers["etag"]}
    assert (await client.get("/v1/intensity", params=asked, headers=again)).status_code == 304


async def test_an_unknown_product_is_refused_and_minutes_are_an_hour(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    asked = {"product": "beams"}
    assert (await client.get("/v1/intensity", params=asked)).status_code == 404
    hours = (await client.get("/v1/intensity", params={"interval": "1h"})).json()
    assert hours
    assert (await client.get("/v1/intensity", params={"interval": "15m"})).json() == hours


def test_every_hour_of_production_is_verified(mill: tuple[Plant, str]) -> None:
    told = verified(mill[0].connection)
    # three channels and two sources
    assert (told.differ, told.listed) == (0, [])
    assert told.checked > 5 * 4


async def test_as_of_knows_the_shares_and_the_amounts_of_then(
    mill: tuple[Plant, str], client: httpx.AsyncClient, clock: FixedClock
) -> None:
    plant, url = mill
    clock.instant = NOW + timedelta(days=1)
    plant.tick_as_if(NOW)
    plant.connection.execute("UPDATE product_revision SET known_at = %s", (TEN,))
    (before,) = await rows(client, interval="1d", product="billets")
    assert apply_text(url, FILE.replace("key: 1200", "key: 800")) == ["~ product billets"]
    later = NOW + timedelta(hours=6)
    plant.connection.execute(
        "UPDATE product_revision SET known_at = %s WHERE known_at > %s", (later, TEN)
    )
    # 300 pieces of the second hour come to light
    plant.store([Reading("press.parts", TEN + 5 * HOUR / 4, 300.0)], live=False)
    plant.tick_as_if(later)
    (now,) = await rows(client, interval="1d", product="billets")
    # 200 kg of gas and 40 % of 200 kg by 5 t
    assert (now["co2_kg"], now["co2_kg_per_unit"]) == (280.0, 56.0)
    (_, parts) = await rows(client, product="parts")
    assert (parts["co2_kg_per_unit"], parts["code"]) == (0.2, None)
    then = (NOW + HOUR).isoformat()
    (known,) = await rows(client, interval="1d", product="billets", as_of=then)
    assert known["co2_kg_per_unit"] == before["co2_kg_per_unit"] == 64.0
    (_, parts) = await rows(client, product="parts", as_of=then)
    assert (parts["co2_kg_per_unit"], parts["code"]) == (None, "no-production")
    before_any = {"from": "2026-11-22T08:00Z", "to": "2026-11-22T09:00Z"}
    assert await rows(client, as_of="2026-11-22T09:00:00Z", **before_any) == []


async def test_packed_minutes_of_production_tell_the_same(
    mill: tuple[Plant, str], client: httpx.AsyncClient, clock: FixedClock
) -> None:
    plant, _ = mill
    clock.instant = NOW + timedelta(days=1)
    asked = {"from": "2026-11-22T00:00:00Z", "to": "2026-11-24T00:00:00Z"}

    async def answers() -> list[Any]:
        return [await rows(client, interval=each, **asked) for each in ("1h", "1d", "batch")]

    before = await answers()
    assert pack_some_minutes(plant.connection, random.Random(1)) > 0
    assert await answers() == before

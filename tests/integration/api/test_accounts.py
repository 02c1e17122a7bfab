"""From readings to what the API says of them: bands, market-based figures, checks, judged hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import Plant, Reading

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels:
      - {id: grid, quantity: power, unit: kW, kind: gauge, max_gap: 3600, uncertainty: 1}
      - {id: gas, quantity: power, unit: kW, kind: gauge, max_gap: 3600, uncertainty: 2}
      - {id: unstated, quantity: power, unit: kW, kind: gauge, max_gap: 3600}
  - id: cems
    channels:
      - {id: o2, quantity: fraction, unit: "%", kind: gauge, max_gap: 120, uncertainty: 3}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, max_gap: 120, uncertainty: 4,
         range: [0, 3000000]}
      - {id: h2o, quantity: fraction, unit: "%", kind: gauge, max_gap: 120, uncertainty: 5}
factors:
  - {id: mix, unit: kWh, co2_kg: 0.4, basis: location, citation: a, uncertainty: 5}
  - {id: green, unit: kWh, co2_kg: 0.1, basis: market, citation: b}
  - {id: gas, unit: kWh, co2_kg: 0.2, citation: c, uncertainty: 1.5}
sources:
  - {id: hall-1, scope: 2, method: activity, input: meter.grid, factor: mix, market_factor: green}
  - {id: hall-2, scope: 2, method: activity, input: meter.grid, factor: mix}
  - {id: boiler, scope: 1, method: activity, input: meter.gas, factor: gas, check: stack}
  - id: stack
    scope: 1
    method: stack
    equation: F-2
    diluent: F-14A
    fuel: natural-gas
    inputs: {o2: cems.o2, flow: cems.flow, h2o: cems.h2o}
    validity: part75
    substitution: part75
"""

MINUTE = timedelta(minutes=1)
#: Bands follow from readings of the last 31 days by the database's clock, which no test sets.
HOUR = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0) - timedelta(days=2)


@pytest.fixture
def plant(database_url: str, clock: FixedClock) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    readings = [
        Reading("meter.grid", HOUR, 1000.0),
        Reading("meter.gas", HOUR, 3000.0),
    ]
    for minute in range(60):
        at = HOUR + minute * MINUTE
        readings += [Reading("cems.flow", at, 100_000.0), Reading("cems.h2o", at, 10.0)]
        if minute < 20:
            readings.append(Reading("cems.o2", at, 3.0))
    plant.store(readings)
    clock.instant = HOUR + timedelta(hours=1, minutes=20)
    plant.tick(clock.instant)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.tick(clock.instant + MINUTE)
    yield plant
    plant.close()


async def get(client: httpx.AsyncClient, path: str, **query: str) -> Any:
    response = await client.get(path, params={"facility": "works", **query})
    assert response.status_code == 200, response.text
    return response.json()


async def rows(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    found = await get(
        client, "/v1/emissions", interval="1h", **{"from": HOUR.isoformat()},
        to=(HOUR + 60 * MINUTE).isoformat(),
    )  # fmt: skip
    return {row["source"]: row for row in found}


@pytest.mark.usefixtures("plant")
async def test_scope_2_stands_both_ways_side_by_side(client: httpx.AsyncClient) -> None:
    found = await rows(client)
    assert (found["hall-1"]["co2_kg"], found["hall-1"]["co2_market_kg"]) == (400.0, 100.0)
    assert (found["hall-2"]["co2_kg"], found["hall-2"]["co2_market_kg"]) == (400.0, 400.0)
    body = await get(client, "/v1/live")
    scopes = {each["scope"]: each["totals"]["24h"] for each in body["scopes"]}
    assert (scopes[2]["co2_kg"], scopes[2]["co2_market_kg"]) == (800.0, 500.0)
    assert scopes[1]["co2_kg"] == 600.0


@pytest.mark.usefixtures("plant")
async def test_a_check_counts_nowhere_and_its_difference_is_told(
    client: httpx.AsyncClient,
) -> None:
    body = await get(client, "/v1/live")
    by_id = {source["id"]: source for source in body["sources"]}
    assert [by_id[s]["counts"] for s in ("boiler", "stack")] == [True, False]
    assert body["totals"]["24h"]["co2_kg"] == 800.0 + 600.0
    (check,) = body["checks"]
    assert (check["source"], check["check"]) == ("boiler", "stack")
    stack_kg = by_id["stack"]["totals"]["24h"]["co2_kg"]
    assert check["totals"]["24h"] == {
        "difference_kg": pytest.approx(600.0 - stack_kg),
        "difference_percent": pytest.approx(100 * (600.0 - stack_kg) / stack_kg),
    }
    assert [(await rows(client))[s]["counts"] for s in ("boiler", "stack")] == [True, False]


@pytest.mark.usefixtures("plant")
async def test_every_total_has_the_band_of_its_meters_and_factors(
    client: httpx.AsyncClient,
) -> None:
    found = await rows(client)
    half = 400.0 * math.hypot(1, 5) / 100
    assert found["hall-1"]["co2_low_kg"] == pytest.approx(400.0 - half)
    assert found["hall-1"]["co2_high_kg"] == pytest.approx(400.0 + half)
    body = await get(client, "/v1/live")
    scope_2 = next(each for each in body["scopes"] if each["scope"] == 2)["totals"]["24h"]
    # both halls share meter and factor: their errors add up plainly
    assert scope_2["co2_high_kg"] == pytest.approx(800.0 + 2 * half)
    # gas has another meter and factor: root of the sum of squares
    all_of_it = body["totals"]["24h"]
    combined = math.hypot(800 * 0.01, 800 * 0.05, 600 * 0.02, 600 * 0.015)
    assert all_of_it["co2_high_kg"] == pytest.approx(1400.0 + combined)


@pytest.mark.usefixtures("plant")
async def test_a_stacks_band_follows_how_strongly_its_equation_follows_each_input(
    client: httpx.AsyncClient,
) -> None:
    stack = (await rows(client))["stack"]
    # d ln(20.9 - o2) / d ln o2 and d ln(100 - h2o) / d ln h2o at the newest readings
    half = math.hypot(3 * 3.0 / (20.9 - 3.0), 4, 5 * 10.0 / 90.0) / 100
    assert stack["co2_high_kg"] == pytest.approx(stack["co2_kg"] * (1 + half), rel=1e-6)


async def test_a_total_with_an_unstated_part_has_no_band(
    client: httpx.AsyncClient, database_url: str, clock: FixedClock
) -> None:
    plant = Plant(database_url, FILE.replace("meter.gas,", "meter.unstated,"))
    plant.store([Reading("meter.unstated", HOUR, 1.0), Reading("meter.grid", HOUR, 1.0)])
    clock.instant = HOUR + 30 * MINUTE
    plant.tick(clock.instant)
    plant.close()
    body = await get(client, "/v1/live")
    assert body["totals"]["24h"]["co2_low_kg"] is None
    assert body["scopes"][1]["totals"]["24h"]["co2_low_kg"] is not None


@pytest.mark.usefixtures("plant")
async def test_a_judged_hour_is_explained(client: httpx.AsyncClient) -> None:
    row = (await rows(client))["stack"]
    assert (row["quality"], row["state"]) == ("substituted", "final")
    when = {"hour": (HOUR + 10 * MINUTE).isoformat(), "as_of": "2100-01-01T00:00:00Z"}
    body = await get(client, "/v1/explain", source="stack", **when)
    closing = body["closing"]
    assert closing["validity"]["citation"] == "40 CFR 75.10(d)(1) and (3)"
    inputs = {each["role"]: each for each in closing["inputs"]}
    assert set(inputs) == {"co2", "flow", "h2o", "o2"}
    # oxygen was missing in two quadrants, so CO2 is substituted: by its potential, without a past
    assert (inputs["o2"]["valid"], inputs["o2"]["verdict"]) == (False, "quadrant-missing")
    assert (inputs["co2"]["value"], inputs["co2"]["code"]) == (14.0, "12")
    assert (inputs["flow"]["value"], inputs["flow"]["code"]) == (100_000.0, "01")
    tons = round(5.7e-7 * 14 * 100_000 * 0.9, 1)
    assert closing["rate"]["value"] == pytest.approx(tons)
    assert closing["operating_h"] == 1.0
    assert body["total"]["co2_kg"] == pytest.approx(tons * 907.18474)
    assert body["total"]["code"] == "co2:12"
    minutes = body["minutes"]
    assert sum((m["co2_kg"] or 0) + m["closing_kg"] for m in minutes) == pytest.approx(
        body["total"]["co2_kg"]
    )
    market = await get(client, "/v1/explain", source="hall-1", **when)
    assert market["market_factor"]["citation"] == "b"
    assert market["closing"] is None

"""The weather is taken out of the comparison of the newest 365 days with the highest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.core.facility.file import FacilityFileError, parse
from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import Plant, apply_text, instant
from tests.integration.api.test_pathway import summed
from tests.services import Postgres

NOW = instant("2026-01-01T00:00:30Z")
FIRST = instant("2024-01-02T00:00:00Z")

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels: [{id: p, quantity: power, unit: kW, kind: gauge, uncertainty: 1}]
  - id: roof
    channels: [{id: outdoor, quantity: temperature, unit: K, kind: gauge}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, uncertainty: 1, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.p, factor: f}]
pathway:
  - {scope: 2, figure: co2, base: {year: 2023, tonnes: 90}, policy: stated,
     milestones: [{year: 2030, tonnes: 50}]}
weather: {temperature: roof.outdoor, heating_base: 15}
"""

# Days of -5 to 25 degC; the second year is 2 degC milder.
_DAYS = """
CREATE TEMP TABLE weather_day AS SELECT day,
    10 - 15 * cos(2 * pi() * n / 365) + CASE WHEN n >= 365 THEN 2 ELSE 0 END AS mean_c, n
FROM (SELECT %(first)s::timestamptz + n * interval '1 day' AS day, n
      FROM generate_series(0, 729) n) d
"""
_READINGS = """
INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)
SELECT c.id, day + hour * interval '1 hour' + interval '30 minutes', mean_c + 273.15, 0, now(), 0
FROM weather_day CROSS JOIN generate_series(0, 23) hour CROSS JOIN channel c
WHERE c.slug = 'outdoor'
"""
# 100 kg a day, 90 in the second year, and 3 kg for each degree below 15 degC.
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, hour, m, m, m, 3600000, 1, true, 'measured', 'closed', hour, hour
FROM source s CROSS JOIN weather_day
CROSS JOIN LATERAL (SELECT day + h * interval '1 hour' AS hour FROM generate_series(0, 23) h) x
CROSS JOIN LATERAL (SELECT (1e9 / 24 * (CASE WHEN n < 365 THEN 100 ELSE 90 END
    + 3 * greatest(0, 15 - mean_c)))::int8 AS m) y
WHERE s.slug = 'grid'
"""


@pytest.fixture(scope="module")
def works(postgres_cluster: Postgres, migrated_template: str) -> Iterator[tuple[Plant, str]]:
    """Two years of days with their temperature."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, FILE)
        plant.connection.execute(_DAYS, {"first": FIRST})
        plant.connection.execute(_READINGS)
        plant.connection.execute(_HOURS)
        plant.connection.execute("UPDATE pathway_revision SET known_at = %s", (FIRST,))
        summed(plant)
        yield plant, url
        plant.close()


@pytest.fixture
def database_url(works: tuple[Plant, str]) -> str:
    """The API's database, in place of an empty one."""
    return works[1]


async def standing(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    response = await client.get("/v1/pathway", params=parameters)
    assert response.status_code == 200, response.text
    row: dict[str, Any] = response.json()[0]
    return row


async def test_a_fall_is_told_as_it_is_and_at_the_same_weather(
    client: httpx.AsyncClient, clock: FixedClock, works: tuple[Plant, str]
) -> None:
    clock.instant = NOW
    (before, newest) = works[0].rows(
        "SELECT sum(greatest(0, 15 - mean_c)) FROM weather_day GROUP BY n / 365 ORDER BY n / 365"
    )
    row = await standing(client)
    assert row["heating_degree_days"] == pytest.approx(newest[0])
    assert row["highest_heating_degree_days"] == pytest.approx(before[0])
    assert before[0] - newest[0] > 250
    weather_kg = 3 * (before[0] - newest[0])
    assert row["weather_kg"] == pytest.approx(weather_kg)
    assert row["below_peak_kg"] == pytest.approx(3650 + weather_kg)
    assert row["below_peak_at_same_weather_kg"] == pytest.approx(3650)
    # meter and factor, 1 % each, of sums that are independent; the fit adds nothing
    assert row["below_peak_at_same_weather_half_kg"] == pytest.approx(row["below_peak_half_kg"])
    assert (row["peak"], row["peak_at_same_weather"]) == ("peaked", "peaked")
    assert row["weather_reason"] is None


async def test_where_weather_cannot_be_taken_out_the_reason_is_told(
    client: httpx.AsyncClient, clock: FixedClock, works: tuple[Plant, str]
) -> None:
    plant, url = works
    clock.instant = NOW
    row = await standing(client, as_of=(NOW - timedelta(days=10)).isoformat())
    assert row["weather_reason"] == "weather is told as it is known now: leave as_of out"
    plant.connection.execute("DELETE FROM reading WHERE ts < %s", (FIRST + timedelta(days=40),))
    row = await standing(client)
    assert row["weather_reason"].startswith("roof.outdoor tells the temperature of fewer than 90 %")
    assert row["weather_kg"] is None
    apply_text(url, FILE.partition("weather:")[0])
    row = await standing(client)
    assert (row["weather_reason"], row["heating_degree_days"]) == (None, None)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("{temperature: roof.outdor}", "did you mean"),
        ("{temperature: meter.p}", "is a channel of power, not of temperature"),
        ("{temperature: roof.outdoor, heating_base: 23}", "heating_base is not above cooling_base"),
    ],
)
def test_what_is_no_outdoor_temperature_is_refused(stated: str, reason: str) -> None:
    text = FILE.partition("weather:")[0] + f"weather: {stated}\n"
    with pytest.raises(FacilityFileError, match=reason):
        parse(text)

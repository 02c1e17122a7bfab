"""Forecasts of running days, months and years: right where the past repeats, else refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import Plant, apply_text, instant
from tests.integration.api.test_pathway import summed
from tests.integration.api.test_pathway_organisation import state
from tests.services import Postgres

#: A Monday, half past six in the evening of Vienna and half a minute.
NOW = instant("2026-11-23T17:30:30Z")
FIRST = instant("2026-08-02T22:00:00Z")

FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: a, quantity: power, unit: kW, kind: gauge}
      - {id: b, quantity: power, unit: kW, kind: gauge}
      - {id: c, quantity: power, unit: kW, kind: gauge}
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.a, factor: f}
  - {id: kiln, scope: 1, method: activity, input: meter.b, factor: f}
  - {id: mute, scope: 1, method: activity, input: meter.c, factor: f}
"""

GROUP = "organisation: {id: group, name: Group}\nfacilities: [{id: works}, {id: second}]\n"

# 8 kg an hour of the grid on working days, 2 kg at weekends. The kiln came on 9 November: 1 kg.
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, hour, m, m * 2, m, 3600000, 1, hour < %(open)s, 'measured', 'closed', hour, hour
FROM source s CROSS JOIN generate_series(%(first)s::timestamptz, %(last)s, interval '1 hour') hour
CROSS JOIN LATERAL (SELECT 1000000000::int8 * CASE WHEN s.slug = 'kiln' THEN 1
    WHEN extract(isodow FROM hour AT TIME ZONE 'Europe/Vienna') > 5 THEN 2 ELSE 8 END AS m) x
WHERE s.slug = 'grid' OR s.slug = 'kiln' AND hour >= '2026-11-08T23:00Z'
"""


# The second works emits up to 3 kg an hour more, which no method foresees.
_UNFORESEEN = """
UPDATE emission_hour h SET co2_ug = co2_ug + 1000000000::int8 * (hashtext(hour::text) & 3)
FROM source s JOIN facility f ON f.id = s.facility_id WHERE s.id = h.source_id AND f.slug = 'second'
"""


@pytest.fixture(scope="module")
def works(postgres_cluster: Postgres, migrated_template: str) -> Iterator[tuple[Plant, str]]:
    """Sixteen weeks of hours."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, FILE)
        apply_text(url, FILE.replace("id: works, name: Works", "id: second, name: Second"))
        state(url, GROUP)
        last = NOW.replace(minute=0, second=0) - timedelta(hours=1)
        plant.connection.execute(
            _HOURS, {"first": FIRST, "last": last, "open": NOW - timedelta(days=1)}
        )
        plant.connection.execute(_UNFORESEEN)
        summed(plant)
        apply_text(url, FILE.replace("id: works, name: Works", "id: empty, name: Empty"))
        yield plant, url
        plant.close()


@pytest.fixture
def database_url(works: tuple[Plant, str]) -> str:
    """The API's database, in place of an empty one."""
    return works[1]


async def forecasts(
    client: httpx.AsyncClient, **parameters: str | int
) -> dict[str, dict[str, Any]]:
    asked: dict[str, Any] = {"facility": "works", **parameters}
    response = await client.get("/v1/forecast", params=asked)
    assert response.status_code == 200, response.text
    return {row["horizon"]: row for row in response.json()}


async def test_what_repeats_is_forecast_to_the_kilogram(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    rows = await forecasts(client, scope=2)
    day, month = rows["day"], rows["month"]
    # 18 whole hours of the Monday; of the running one nothing is known yet
    assert (day["known_kg"], day["begins"], day["ends"]) == (
        18 * 8,
        "2026-11-22T23:00:00Z",
        "2026-11-23T23:00:00Z",
    )
    left_h = (instant("2026-11-23T23:00:00Z") - NOW) / timedelta(hours=1)
    assert day["rest_kg"] == pytest.approx(8 * left_h)
    assert day["total_kg"] == pytest.approx(day["known_kg"] + 8 * left_h)
    assert day["total_low_kg"] == pytest.approx(day["total_kg"])
    # each day of the newest eight weeks but the first one, though the clock changed among them
    assert (day["method"], day["past_forecasts"]) == ("seasonal-naive", 48)
    # today's rest, then Tuesday to Friday, the weekend and a Monday
    assert month["rest_kg"] == pytest.approx(8 * left_h + 5 * 192 + 2 * 48)
    assert month["trained_from"] == "2026-08-02T22:00:00Z"
    assert month["trained_until"] == "2026-11-22T23:00:00Z"
    assert (month["level"], month["scope"], month["silent_sources"]) == (0.9, 2, "")


async def test_an_earlier_forecast_is_told_by_what_was_known_then(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    monday = NOW - timedelta(days=7)
    month = (await forecasts(client, scope=2, as_of=monday.isoformat()))["month"]
    # a Sunday, two weeks, and 18 hours of the Monday; the hour that ran was known whole
    assert month["known_kg"] == 48 + 2 * (5 * 192 + 2 * 48) + (18 + 1) * 8
    assert (month["time"], month["trained_until"]) == (
        "2026-11-16T17:30:30Z",
        "2026-11-15T23:00:00Z",
    )
    assert month["total_kg"] == pytest.approx(21 * 192 + 9 * 48, abs=8)
    # nothing was known of what was not there yet
    (kiln,) = (
        await forecasts(client, scope=1, horizon="month", as_of="2026-11-08T00:00:00Z")
    ).values()
    assert kiln["known_kg"] is None


async def test_too_little_is_refused_with_the_reason(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    rows = await forecasts(client, scope=2)
    # the history begins in August
    assert rows["year"]["rest_kg"] is None
    assert rows["year"]["reason"].startswith("58.")
    # the kiln matters, and is two weeks old
    rows = await forecasts(client, scope=1)
    assert rows["day"]["total_kg"] is not None
    month = rows["month"]
    assert (month["total_kg"], month["method"], month["silent_sources"]) == (None, None, "mute")
    assert month["reason"].startswith("26.7 % of the month")
    assert month["known_kg"] == (14 * 24 + 18)
    # half a minute of a day that nothing is known of yet
    clock.instant = instant("2026-11-23T23:00:30Z")
    (row,) = (await forecasts(client, scope=2, horizon="day")).values()
    assert row["known_kg"] is None
    assert row["total_kg"] == pytest.approx(8 * 24, rel=1e-3)
    (row,) = (await forecasts(client, facility="empty", horizon="day")).values()
    assert (row["known_kg"], row["reason"]) == (None, "nothing is known of the facility yet")


async def test_an_organisation_is_its_facilities_added_up_with_the_widest_interval(
    works: tuple[Plant, str], client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    asked = [await forecasts(client, scope=2, facility=name) for name in ("second", "works")]
    both = await forecasts(client, scope=2, facility="", organisation="group")
    for horizon in ("day", "month"):
        row, parts = both[horizon], [rows[horizon] for rows in asked]
        assert (row["organisation"], row["facility"]) == ("group", "second works")
        for name in ("known_kg", "rest_kg", "total_kg", "total_low_kg", "total_high_kg"):
            assert row[name] == pytest.approx(sum(part[name] for part in parts)), name
        assert row["total_high_kg"] - row["total_kg"] > 1
        assert row["past_forecasts"] == min(part["past_forecasts"] for part in parts)
    # of one of them there is none
    assert both["year"]["total_kg"] is None
    assert both["year"]["reason"].startswith("second: 58.")
    assert "; works: 58." in both["year"]["reason"]
    state(
        works[1], GROUP.replace("id: group", "id: wider").replace("works}", "works}, {id: empty}")
    )
    (day,) = (
        await forecasts(client, facility="", organisation="wider", horizon="day", scope=2)
    ).values()
    assert (day["known_kg"], day["total_kg"]) == (None, None)
    assert day["reason"] == "empty: nothing is known of the facility yet"
    refused = await client.get(
        "/v1/forecast", params={"organisation": "group", "facility": "works"}
    )
    assert (refused.status_code, "leave facility out" in refused.text) == (422, True)
    unknown = await client.get("/v1/forecast", params={"organisation": "nothing"})
    assert unknown.status_code == 404


async def test_a_figure_and_a_format_may_be_chosen(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    rows = await forecasts(client, figure="co2e", scope=2, horizon="day")
    assert rows["day"]["known_kg"] == 2 * 18 * 8
    text = await client.get(
        "/v1/forecast", params={"horizon": "month"}, headers={"Accept": "text/csv"}
    )
    listed = list(csv.DictReader(io.StringIO(text.text)))
    assert [(row["facility"], row["scope"]) for row in listed] == [
        ("empty", ""), ("second", ""), ("works", ""),
    ]  # fmt: skip
    refused = await client.get("/v1/forecast", params={"horizon": "week"})
    assert refused.status_code == 422

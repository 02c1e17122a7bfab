"""Paths to net zero: allowed and actual, the base year of tonne's own data, and what was known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.aggregator.base_years import BaseYears
from services.aggregator.summing import Summing
from services.core.runtime.clock import FixedClock
from services.core.store.emissions import base_years
from services.core.store.emissions.base_years import PathFacility
from tests.integration.aggregator.plant import FILE, Plant, apply_text, instant
from tests.services import Postgres

#: The clock of the API, half past six in the evening of Vienna.
NOW = instant("2026-11-23T18:00:30Z")
FIRST = instant("2023-12-31T23:00:00Z")
DAY = timedelta(days=1)

PATHS = """
pathway:
  - scope: 1
    figure: co2
    base: {year: 2020, tonnes: 100, citation: verified report 2020}
    policy: sbti-1.5c-2019
    actual: [{year: 2021, tonnes: 90}, {year: 2022, tonnes: 85}]
  - scope: 2
    figure: co2
    base: {year: 2024}
    policy: stated
    milestones: [{year: 2026, tonnes: 6}, {year: 2030, tonnes: 0}]
"""
STATED = (
    FILE.replace(
        "max_gap: 120}\n      - {id: quarter", "max_gap: 120, uncertainty: 2}\n      - {id: quarter"
    )
    .replace("citation: a", "uncertainty: 3, citation: a")
    .replace("citation: b", "uncertainty: 3, citation: b")
    + PATHS
)

# 1 kg an hour of scope 2 in 2024, half of it in 2025, 0.4 kg since; 2 kg an hour of the stack.
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, hour, m, m, m, 3600000, 1, hour < %(open)s, 'measured', 'closed', hour, hour
FROM source s CROSS JOIN generate_series(%(first)s::timestamptz, %(last)s, interval '1 hour') hour
CROSS JOIN LATERAL (SELECT CASE WHEN s.slug = 'stack' THEN 2000000000
    WHEN hour < '2024-12-31T23:00Z' THEN 1000000000
    WHEN hour < '2025-12-31T23:00Z' THEN 500000000 ELSE 400000000 END AS m) x
WHERE s.slug IN ('stack', 'by-gauge')
"""


@pytest.fixture(scope="module")
def works(postgres_cluster: Postgres, migrated_template: str) -> Iterator[tuple[Plant, str]]:
    """Nearly three years of hours, under paths that were stated before them."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, STATED)
        last = NOW.replace(minute=0, second=0) - timedelta(hours=1)
        plant.connection.execute(_HOURS, {"first": FIRST, "last": last, "open": NOW - DAY})
        plant.connection.execute("UPDATE pathway_revision SET known_at = %s", (FIRST,))
        summed(plant)
        yield plant, url
        plant.close()


@pytest.fixture
def database_url(works: tuple[Plant, str]) -> str:
    """The API's database, in place of an empty one."""
    return works[1]


@pytest.fixture
def plant(works: tuple[Plant, str]) -> Plant:
    return works[0]


def summed(plant: Plant) -> None:
    summing = Summing()
    while summing.step(plant.connection, NOW):
        pass


def recalculate(plant: Plant, now: datetime) -> list[str]:
    facility = PathFacility(id=plant.facility_id, timezone="Europe/Vienna")
    return base_years.recalculate(plant.connection, facility, now)


async def standings(client: httpx.AsyncClient, **parameters: object) -> list[dict[str, Any]]:
    response = await client.get("/v1/pathway", params=parameters)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    return rows


async def test_a_base_year_of_own_data_is_kept_and_recalculated_from_5_percent_on(
    plant: Plant, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    (_, before) = await standings(client)
    assert (before["base_kg"], before["allowed_kg"], before["gap_kg"]) == (None, None, None)
    assert "works 2024" in before["reason"]
    # the year is not over
    assert recalculate(plant, instant("2024-12-01T00:00:00Z")) == []
    first = instant("2025-01-02T00:00:00Z")
    step = BaseYears()
    step.step(plant.connection, first, busy=True)
    assert plant.rows("SELECT 1 FROM base_year_figure") == []
    step.step(plant.connection, first, busy=False)
    assert step.notices() == []
    (kept,) = plant.rows("SELECT scope, figure, year, known_at, ug::int8 FROM base_year_figure")
    assert kept == (2, "co2", 2024, first, 8784 * 10**9)

    def restate(percent: int, at: datetime) -> None:
        plant.connection.execute(
            "UPDATE emission_hour SET co2_ug = 10000000::int8 * (100 + %s), known_at = %s,"
            " reason = 'factor version: f' FROM source s WHERE s.id = source_id"
            " AND s.slug = 'by-gauge' AND hour < '2024-12-31T23:00Z'",
            (percent, at),
        )

    restate(4, first + DAY)
    # not while the sums of its months are absent
    assert recalculate(plant, first + 2 * DAY) == []
    summed(plant)
    assert recalculate(plant, first + 2 * DAY) == []
    restate(5, first + 3 * DAY)
    summed(plant)
    plant.connection.execute(
        "INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason)"
        " SELECT facility_id, id, minute_of('2024-05-01'), minute_of('2024-05-02'), 'x'"
        " FROM source WHERE slug = 'by-gauge'"
    )
    assert recalculate(plant, first + 4 * DAY) == []
    plant.connection.execute("DELETE FROM recompute")
    (said,) = recalculate(plant, first + 4 * DAY)
    assert said == ("base year 2024 of scope 2: 9.223 t; +5.0 %: factor version: f (8784 hours)")
    assert recalculate(plant, first + 5 * DAY) == []
    (_, now) = await standings(client)
    assert (now["base_kg"], now["base_version"]) == (pytest.approx(9223.2), 2)
    assert now["base_cause"] == "+5.0 %: factor version: f (8784 hours)"
    (_, then) = await standings(client, as_of="2025-01-05T12:00:00Z")
    assert (then["base_kg"], then["base_version"]) == (8784, 1)
    assert then["base_known_at"] == "2025-01-02T00:00:00Z"
    restate(0, FIRST)
    summed(plant)
    plant.connection.execute("DELETE FROM base_year_figure WHERE known_at > %s", (first,))


async def test_what_is_left_and_how_long_it_lasts(
    plant: Plant, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    recalculate(plant, instant("2025-01-02T00:00:00Z"))
    stack, grid = await standings(client, facility="works")
    assert (grid["scope"], grid["figure"], grid["basis"]) == (2, "co2", "gross")
    # (8784 + 6000) / 2 in 2025, then 6000, 4500, 3000, 1500, 0
    assert grid["allowed_kg"] == 6000
    assert grid["budget_kg"] == pytest.approx(7392 + 6000 + 4500 + 3000 + 1500)
    # from 2025-12-31T23:00Z on
    hours = (instant("2026-11-23T18:00:00Z") - instant("2025-12-31T23:00:00Z")) / timedelta(hours=1)
    assert grid["actual_kg"] == pytest.approx(0.4 * hours)
    assert grid["known_share"] == pytest.approx(1, abs=1e-4)
    assert grid["rate_kg_day"] == pytest.approx(9.6)
    assert grid["silent_sources"] == "by-counter by-interval"
    assert grid["year_left_kg"] == pytest.approx(6000 - 0.4 * hours)
    assert grid["year_days_left"] == pytest.approx((6000 - 0.4 * hours) / 9.6)
    so_far = 4380 + 0.4 * hours
    assert grid["days_left"] == pytest.approx((22392 - so_far) / 9.6)
    elapsed = (NOW - instant("2025-12-31T23:00:00Z")) / (365 * DAY)
    gap = so_far - 7392 - 6000 * elapsed
    assert grid["gap_kg"] == pytest.approx(gap)
    # meter and factor, 2 and 3 %, wrong alike all the time
    half = so_far * (2**2 + 3**2) ** 0.5 / 100
    assert grid["gap_low_kg"] == pytest.approx(gap - half)
    assert grid["gap_high_kg"] == pytest.approx(gap + half)
    # 39 days at the old rate and 326 at the new one, which are 1 250 kg less than the year before
    assert grid["newest_365d_kg"] == pytest.approx(39 * 12 + 326 * 9.6)
    assert grid["trend_kg_a_year"] == pytest.approx(-(39 * 12 + 326 * 2.4))
    assert (grid["crosses_year"], grid["neutral_year"], grid["last_year"]) == (None, 2030, 2030)
    assert (grid["peak"], grid["highest_365d_kg"]) == ("peaked", 8760)
    assert (stack["base_cause"], stack["base_version"]) == ("verified report 2020", 1)
    assert stack["policy_published"] == "2019-04-17"
    assert stack["policy_source"].startswith("Science Based Targets initiative")
    # 100 t less 4.2 t a year
    assert stack["allowed_kg"] == pytest.approx(74_800)
    # tonne knows nothing of 2023, and the file does not state it
    assert (stack["missing_years"], stack["budget_left_kg"], stack["gap_kg"]) == (
        "2023",
        None,
        None,
    )
    # the stack's monitors state no uncertainty
    assert (stack["peak"], stack["gap_low_kg"]) == ("unknown", None)


async def test_years_tell_where_their_figures_are_from(
    plant: Plant, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = NOW
    recalculate(plant, instant("2025-01-02T00:00:00Z"))
    response = await client.get("/v1/pathway/years", params={"scope": 1})
    rows = {row["year"]: row for row in response.json()}
    assert list(rows) == list(range(2021, 2045))
    assert (rows[2021]["allowed_kg"], rows[2021]["time"]) == (95_800, "2020-12-31T23:00:00Z")
    origins = {year: (row["origin"], row["actual_kg"]) for year, row in rows.items()}
    assert origins[2022] == ("stated", 85_000)
    assert origins[2023] == (None, None)
    assert origins[2024] == ("measured", 2 * 8784)
    assert origins[2027] == (None, None)
    assert rows[2022]["cumulative_actual_kg"] == 175_000
    assert rows[2024]["cumulative_actual_kg"] is None
    assert rows[2022]["cumulative_allowed_kg"] == pytest.approx(95_800 + 91_600)
    text = await client.get("/v1/pathway/years", headers={"Accept": "text/csv"})
    listed = list(csv.DictReader(io.StringIO(text.text)))
    assert [row["known_share"] for row in listed if row["year"] == "2025"] == ["1.0", "1.0"]


async def test_facilities_are_added_up_and_those_without_a_path_have_no_row(
    plant: Plant, client: httpx.AsyncClient, clock: FixedClock, database_url: str
) -> None:
    clock.instant = NOW
    recalculate(plant, instant("2025-01-02T00:00:00Z"))
    before = await standings(client, scope=1)
    apply_text(database_url, FILE.replace("id: works", "id: other"))
    assert await standings(client, scope=1) == before
    assert await standings(client, facility="other") == []
    added = "id: added, name: Added"
    apply_text(
        database_url,
        STATED.replace("id: works, name: Works", added).replace(
            "year: 2024}", "year: 2024, tonnes: 1}"
        ),
    )
    _, grid = await standings(client, total="true")
    assert grid["facility"] == "added works"
    assert (grid["base_kg"], grid["allowed_kg"]) == (9784, 12_000)
    # nothing was ever known of the one that came
    assert (grid["actual_kg"], grid["gap_kg"], grid["days_left"]) == (None, None, None)
    assert grid["missing_years"] == "2025 2026"
    (alone,) = await standings(client, total="true", facility="works", scope=2)
    assert (alone["facility"], alone["base_version"]) == ("works", 1)


async def test_too_little_known_tells_no_gap_and_says_why(
    plant: Plant, client: httpx.AsyncClient, clock: FixedClock, database_url: str
) -> None:
    clock.instant = NOW
    begun = STATED.replace("id: works, name: Works", "id: begun, name: Begun")
    apply_text(database_url, begun.replace("year: 2024}", "year: 2025, tonnes: 9}"))
    plant.connection.execute(
        "INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"
        " version, final, quality, reason, known_at, opened_at)"
        " SELECT s.id, hour, 1e9, 1e9, 1e9, 3600000, 1, false, 'measured', 'x', hour, hour"
        " FROM source s JOIN facility f ON f.id = s.facility_id AND f.slug = 'begun',"
        " generate_series(%s::timestamptz, %s, interval '1 hour') hour WHERE s.slug = 'by-gauge'",
        (NOW - timedelta(hours=2, seconds=30), NOW - timedelta(hours=1, seconds=30)),
    )
    (row,) = await standings(client, facility="begun", scope=2)
    share = 2 / ((NOW - instant("2025-12-31T23:00:00Z")) / timedelta(hours=1))
    assert (row["actual_kg"], row["year_left_kg"]) == (2, 5998)
    assert row["known_share"] == row["known_share_to_date"] == pytest.approx(share)
    assert (row["rate_kg_day"], row["rate_known_share"]) == (24, pytest.approx(2 / 24))
    untold = ("gap_kg", "gap_low_kg", "gap_high_kg", "trend_kg_a_year", "crosses_year")
    assert [row[name] for name in untold] == [None] * 5
    assert row["reason"] == (
        "no gap is told: only 0.0255 % of begun 2026 is known; what is left, and for how many days,"
        " takes the rest for not emitted; no trend is told: less than 90 % of the newest 365 days,"
        " or of the 365 before, is known"
    )
    (known,) = await standings(client, facility="works", scope=2)
    assert (known["reason"], known["rate_known_share"]) == (None, 1)
    (missing,) = await standings(client, facility="works", scope=1)
    assert missing["reason"] == (
        f"no gap is told: nothing is known of {', '.join(missing['missing_years'].split())};"
        " state past years under actual"
    )

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.api.models.live import Live
from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import (
    FULL,
    HOUR,
    MINUTE,
    ROLLING,
    Plant,
    at,
    found,
    local_start,
    minutes,
    roll,
)

Connection = psycopg.Connection[Any]

MISSING = {"measured": 0.0, "substituted": 0.0, "estimated": 0.0, "missing": 1.0}
MEASURED = {"measured": 1.0, "substituted": 0.0, "estimated": 0.0, "missing": 0.0}


async def live(client: httpx.AsyncClient, facility: str = "linz") -> dict[str, Any]:
    response = await client.get("/v1/live", params={"facility": facility})
    assert response.status_code == 200, response.text
    Live.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    return body


def expected_ug(
    connection: Connection, source_id: int, since: datetime, upto: datetime
) -> tuple[int, int]:
    row = connection.execute(
        "SELECT coalesce(sum(co2_ug), 0), coalesce(sum(covered_ms), 0) FROM emission_minute"
        " WHERE source_id = %s AND minute BETWEEN %s AND %s",
        (source_id, since, upto),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def since_of(span: str, now: datetime, timezone: str) -> datetime:
    minute = now.replace(second=0, microsecond=0)
    if span in ROLLING:
        return minute - ROLLING[span] + MINUTE
    return local_start(span, minute, timezone)


def assert_equals_brute_force(
    connection: Connection, plant: Plant, body: dict[str, Any], now: datetime
) -> None:
    minute = now.replace(second=0, microsecond=0)
    for source in body["sources"]:
        for span, total in source["totals"].items():
            since = since_of(span, now, plant.timezone)
            ug, covered_ms = expected_ug(connection, plant.sources[source["id"]], since, minute)
            length_ms = ((minute - since) // MINUTE + 1) * 60_000
            where = (source["id"], span, now)
            if covered_ms == 0:
                assert total["co2_kg"] is None, where
            else:
                assert total["co2_kg"] == ug / 1e9, where
            assert total["coverage"] == pytest.approx(covered_ms / length_ms, abs=1e-6), where


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Vienna", "Asia/Kolkata"])
@pytest.mark.parametrize("seed", range(3))
async def test_windows_equal_the_sum_of_their_minutes_at_any_later_moment(
    client: httpx.AsyncClient,
    connection: Connection,
    clock: FixedClock,
    timezone: str,
    seed: int,
) -> None:
    dice = random.Random(seed)
    upto = at("2026-03-29T00:58:00Z") + timedelta(hours=dice.randrange(0, 3 * 24))
    plant = found(
        connection, "linz", timezone=timezone, sources=[("stack-1", 1, None), ("grid", 2, "kWh")]
    )
    spread = [0, 3, 58, 59, 60, 61, 1438, 1439, 1440, 10_079, 10_080, 43_200, 525_598, 525_600]
    for source_id in plant.sources.values():
        ages = {a + dice.randrange(-3, 4) for a in spread} | {
            dice.randrange(0, 60 * 24 * 40) for _ in range(150)
        }
        minutes(
            connection,
            source_id,
            [
                (upto - age * MINUTE, dice.randrange(0, 500_000) / 1000, dice.choice([0, 90, FULL]))
                for age in sorted(ages)
            ],
        )
    roll(connection, plant, upto)
    for minutes_later in (0, 1, 2, 7, 65, 60 * 25, 60 * 24 * 33):
        clock.instant = upto + minutes_later * MINUTE + timedelta(seconds=30)
        assert_equals_brute_force(connection, plant, await live(client), clock.instant)


async def test_a_facility_is_the_sum_of_its_sources(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz", sources=[("stack-1", 1, None), ("grid", 2, "kWh")])
    upto = clock.instant.replace(second=0)
    minutes(
        connection, plant.sources["stack-1"], [(upto - i * MINUTE, 2.0, FULL) for i in range(60)]
    )
    minutes(connection, plant.sources["grid"], [(upto - i * MINUTE, 0.5, FULL) for i in range(30)])
    roll(connection, plant, upto)
    body = await live(client)
    assert body["totals"]["1h"] == {
        "co2_kg": 60 * 2.0 + 30 * 0.5,
        "co2e_kg": pytest.approx((60 * 2.0 + 30 * 0.5) * 1.01),
        "co2_market_kg": 60 * 2.0 + 30 * 0.5,
        "co2_biogenic_kg": 0.0,
        "co2_low_kg": None,
        "co2_high_kg": None,
        "exported_kwh": None,
        "stale_factor_share": 0.0,
        "coverage": 0.75,
        "quality": "partial",
        "shares": {"measured": 0.75, "substituted": 0.0, "estimated": 0.0, "missing": 0.25},
    }
    assert body["rate_kg_h"] == pytest.approx(60 * 2.0 + 60 * 0.5)
    assert [s["rate_kg_h"] for s in body["sources"]] == [pytest.approx(120.0), pytest.approx(30.0)]


async def test_unknown_is_null_and_zero_is_zero(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz", sources=[("silent", 1, None), ("idle", 1, None)])
    upto = clock.instant.replace(second=0)
    minutes(connection, plant.sources["silent"], [(upto, 0.0, 0)])
    minutes(connection, plant.sources["idle"], [(upto, 0.0, FULL)])
    roll(connection, plant, upto)
    silent, idle = (await live(client))["sources"]
    assert silent["rate_kg_h"] is None
    assert silent["totals"]["24h"] == {
        "co2_kg": None, "co2e_kg": None, "co2_market_kg": None, "co2_biogenic_kg": None,
        "co2_low_kg": None, "co2_high_kg": None, "exported_kwh": None,
        "stale_factor_share": 0.0, "coverage": 0.0, "quality": "missing",
        "shares": MISSING,
    }  # fmt: skip
    assert idle["rate_kg_h"] == 0.0
    assert idle["totals"]["24h"]["co2_kg"] == 0.0


async def test_a_facility_without_totals_is_all_unknown(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    body = await live(client)
    assert body["rate_kg_h"] is None
    assert {t["co2_kg"] for t in body["totals"].values()} == {None}
    assert list(body["totals"]) == ["1h", "24h", "7d", "30d", "365d", "today", "month", "year"]


async def test_a_rate_is_of_the_covered_time_and_grows_old(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz")
    newest = clock.instant.replace(second=0)
    minutes(
        connection,
        plant.sources["stack-1"],
        [(newest - MINUTE, 9.0, FULL), (newest, 1.0, 15_000), (newest + MINUTE, 7.0, FULL)],
    )
    assert (await live(client))["rate_kg_h"] == pytest.approx(1.0 * 3600 / 15)
    clock.instant += 5 * MINUTE
    assert (await live(client))["rate_kg_h"] == pytest.approx(7.0 * 60)
    clock.instant += 3 * MINUTE
    answer = await live(client)
    assert answer["rate_kg_h"] is None
    assert answer["sources"][0]["rate_basis"] == "unknown"


async def test_a_rate_says_what_it_is_and_how_old_its_readings_are(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock, database_url: str
) -> None:
    apply_text(database_url)
    sources = dict(connection.execute("SELECT slug, id FROM source").fetchall())
    hour = clock.instant.replace(minute=0, second=0)
    clock.instant = hour + 30 * MINUTE
    for channel, readings in (
        ("power", [clock.instant - MINUTE, clock.instant - MINUTE / 6]),
        ("energy", [hour - 60 * MINUTE, hour]),
    ):
        connection.execute(
            "INSERT INTO reading (ts, value, received_at, channel_id, quality, time_source)"
            " SELECT ts, 1, ts, c.id, 0, 0 FROM channel c, unnest(%s::timestamptz[]) ts"
            " WHERE c.slug = %s",
            (readings, channel),
        )
    minutes(connection, sources["by-gauge"], [(clock.instant - MINUTE, 1.0, FULL)])
    minutes(connection, sources["by-counter"], [(hour - MINUTE, 2.0, FULL)])

    async def by_id() -> dict[str, Any]:
        return {source["id"]: source for source in (await live(client, "works"))["sources"]}

    now = await by_id()
    gauge, counter = now["by-gauge"], now["by-counter"]
    assert (gauge["rate_kg_h"], gauge["rate_basis"]) == (pytest.approx(60.0), "measured")
    assert at(gauge["newest_reading"]) == clock.instant - MINUTE / 6
    assert (counter["rate_kg_h"], counter["rate_basis"]) == (pytest.approx(120.0), "interval")
    assert (at(counter["rate_from"]), at(counter["rate_to"])) == (hour - 60 * MINUTE, hour)
    assert at(counter["newest_reading"]) == hour
    assert (now["stack"]["rate_basis"], now["stack"]["newest_reading"]) == ("unknown", None)
    clock.instant += 12 * MINUTE
    later = await by_id()
    assert (later["by-gauge"]["rate_kg_h"], later["by-gauge"]["rate_basis"]) == (None, "unknown")
    assert later["by-counter"]["rate_basis"] == "interval"


async def test_totals_ahead_of_the_clock_stand_as_they_are(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz")
    upto = clock.instant.replace(second=0) + 2 * MINUTE
    minutes(
        connection, plant.sources["stack-1"], [(upto - i * MINUTE, 1.0, FULL) for i in range(90)]
    )
    roll(connection, plant, upto)
    assert (await live(client))["totals"]["1h"] == {
        "co2_kg": 60.0, "co2e_kg": pytest.approx(60.6), "co2_market_kg": 60.0,
        "co2_biogenic_kg": 0.0, "co2_low_kg": None, "co2_high_kg": None, "exported_kwh": None,
        "stale_factor_share": 0.0, "coverage": 1.0,
        "quality": "measured", "shares": MEASURED,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("timezone", "now", "hours"),
    [
        ("Europe/Vienna", "2026-03-29T21:59:30Z", 23),
        ("Europe/Vienna", "2026-10-25T22:59:30Z", 25),
        ("Asia/Kolkata", "2026-03-29T18:29:30Z", 24),
        ("America/Havana", "2026-11-02T04:59:30Z", 25),
    ],
)
async def test_today_is_the_local_day_also_when_the_clocks_change(
    client: httpx.AsyncClient,
    connection: Connection,
    clock: FixedClock,
    timezone: str,
    now: str,
    hours: int,
) -> None:
    clock.instant = at(now)
    upto = clock.instant.replace(second=0)
    plant = found(connection, "linz", timezone=timezone)
    minutes(
        connection, plant.sources["stack-1"], [(upto - i * MINUTE, 1.0, FULL) for i in range(1700)]
    )
    roll(connection, plant, upto)
    today = (await live(client))["totals"]["today"]
    assert today["co2_kg"] == hours * 60
    assert today["coverage"] == 1.0
    clock.instant += HOUR
    assert (await live(client))["totals"]["today"]["co2_kg"] is None


async def test_a_mass_has_no_bounds(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz", sources=[("stack-1", 1, None), ("stack-2", 1, None)])
    upto = clock.instant.replace(second=0)
    each = 1.2e8
    for source_id in plant.sources.values():
        minutes(connection, source_id, [(upto - i * MINUTE, each, FULL) for i in range(150)])
    roll(connection, plant, upto)
    clock.instant += 10 * MINUTE
    for source_id in plant.sources.values():
        minutes(connection, source_id, [(upto + i * MINUTE, each, FULL) for i in range(1, 11)])
    body = await live(client)
    assert body["totals"]["1h"]["co2_kg"] == 2 * 60 * each
    assert body["totals"]["24h"]["co2_kg"] == 2 * 160 * each
    assert [s["totals"]["24h"]["co2_kg"] for s in body["sources"]] == [160 * each, 160 * each]


async def test_an_unknown_facility_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/live", params={"facility": "nowhere"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:tonne:problem:not-found"

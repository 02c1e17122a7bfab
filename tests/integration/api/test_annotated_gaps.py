"""Gaps of data among the annotations of a chart, against a slow definition over random minutes."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg

from services.aggregator.summing import Summing
from services.core.runtime.clock import FixedClock
from services.core.store.emissions.hour_packing import months
from services.core.store.emissions.packing import days as minute_days
from tests.integration.api.plant import HOUR, MINUTE, Plant, at, found

Connection = psycopg.Connection[Any]
Gap = tuple[str, datetime, datetime]

DAY = timedelta(days=1)
FIRST, LAST = at("2026-03-14T00:00:00Z"), at("2026-04-17T00:00:00Z")
NOW = at("2026-05-20T00:00:00Z")

_MINUTES = """
INSERT INTO emission_minute (source_id, minute, co2_ug, co2e_ug, market_ug, covered_ms)
SELECT %s, m, 1, 1, 1, 60000
FROM generate_series(%s::timestamptz, %s - interval '1 minute', interval '1 minute') m
"""
#: What covers nothing is known of nobody.
_NOTHING = """
INSERT INTO emission_minute (source_id, minute, co2_ug, co2e_ug, market_ug, covered_ms)
SELECT %s, m, 0, 0, 0, 0
FROM generate_series(%s::timestamptz, %s - interval '1 minute', interval '3 minutes') m
ON CONFLICT DO NOTHING
"""
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
                           quality, reason, known_at, opened_at)
SELECT source_id, date_trunc('hour', minute), sum(co2_ug), sum(co2e_ug), sum(market_ug),
       sum(covered_ms), 1, true,
       CASE sum(covered_ms) WHEN 3600000 THEN 'measured' WHEN 0 THEN 'missing' ELSE 'partial' END,
       'closed', min(minute) + interval '2 hours', min(minute)
FROM emission_minute GROUP BY 1, 2
"""


def history(connection: Connection, plant: Plant, chance: random.Random) -> dict[str, list[Gap]]:
    """Store minutes with gaps from one to many days long; return the gaps of each source."""
    gaps: dict[str, list[Gap]] = {}
    for slug, source_id in plant.sources.items():
        of_source = gaps.setdefault(slug, [])
        minute = FIRST if slug == "whole" else FIRST + chance.randrange(5 * 1440) * MINUTE
        last = LAST if slug != "short" else FIRST + 9 * DAY
        while minute < last and slug != "empty":
            known = timedelta(days=70) if slug == "whole" else chance.randrange(1, 4000) * MINUTE
            connection.execute(_MINUTES, (source_id, minute, ends := min(last, minute + known)))
            longest = chance.choice([9, 130, 600, 9000, 25_000])
            minute = ends + chance.randrange(1, longest) * MINUTE
            if minute < last:
                of_source.append((slug, ends, minute))
                connection.execute(_NOTHING, (source_id, ends, minute))
    connection.execute(_HOURS)
    return gaps


def expected(gaps: dict[str, list[Gap]], begins: datetime, ends: datetime) -> list[Gap]:
    """Tell the gaps that share time with a span: of five minutes, or beyond a week whole hours."""
    told = []
    for of_source in gaps.values():
        for slug, since, until in of_source:
            first, last = since, until
            if ends - begins > timedelta(days=7):
                first = since + (FIRST - since) % HOUR
                last = until - (until - FIRST) % HOUR
            if last - first >= 5 * MINUTE and first < ends and last > begins:
                told.append((slug, first, last))
    return sorted(told, key=lambda gap: (gap[1], gap[0], gap[2]))


def pack(connection: Connection, chance: random.Random, share: float) -> None:
    hours = "(extract(year FROM hour) * 12 + extract(month FROM hour) - 1)::int FROM emission_hour"
    days = "minute_of(minute) / 1440 FROM emission_minute"
    for packed_by, of_table in ((months.pack, hours), (minute_days.pack, days)):
        rows = connection.execute(f"SELECT DISTINCT source_id, {of_table} ORDER BY 1, 2").fetchall()
        with connection.transaction():
            for source_id, period in rows:
                if chance.random() < share:
                    assert packed_by(connection, source_id, period).rows


async def annotated(client: httpx.AsyncClient, begins: datetime, ends: datetime) -> list[Gap]:
    asked = {"kind": "gap", "from": begins.isoformat(), "to": ends.isoformat(), "limit": "10000"}
    answer = await client.get("/v1/annotations", params=asked)
    assert answer.status_code == 200, answer.text
    return [
        (row["tags"][2], at(row["time"]), at(row["timeEnd"]))
        for row in answer.json()
        if row["timeEnd"] is not None
    ]


async def test_closed_gaps_are_told_in_every_span_that_they_reach_into(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    clock.instant = NOW
    sources = [(slug, 1, None) for slug in ("one", "two", "whole", "short", "empty")]
    plant = found(connection, "linz", timezone="Europe/Vienna", sources=sources)
    chance = random.Random(18)
    gaps = history(connection, plant, chance)
    spans = [(FIRST - DAY, LAST + DAY)]
    for longest in (4, 60, 1440, 7 * 1440, 30 * 1440):
        for _ in range(3):
            begins = FIRST + chance.randrange(33 * 1440) * MINUTE
            spans.append((begins, begins + chance.randrange(1, longest) * MINUTE))
    # some that lie within a gap, as a whole
    _, since, until = max((gap for g in gaps.values() for gap in g), key=lambda g: g[2] - g[1])
    assert until - since > 10 * DAY
    spans += [(since + DAY, since + DAY + HOUR), (since + DAY, since + 9 * DAY)]

    async def all_are_told() -> None:
        for begins, ends in spans:
            assert await annotated(client, begins, ends) == expected(gaps, begins, ends)

    await all_are_told()
    while Summing(monotonic=lambda: 0.0).step(connection, NOW):
        pass
    assert connection.execute("SELECT FROM emission_day LIMIT 1").rowcount == 1
    await all_are_told()
    # some of the months and days, then all of them
    for share in (0.4, 1.0):
        pack(connection, chance, share)
        await all_are_told()
    connection.execute("TRUNCATE emission_day, emission_month")
    await all_are_told()


async def test_what_lasts_is_told_in_every_span_that_it_reaches_into(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz")
    (threshold_id,) = connection.execute(
        "INSERT INTO threshold (facility_id, slug, origin, version, in_force_from, spec)"
        " VALUES (%s, 'high', 'file', 1, '2026-01-01',"
        """ '{"id": "high", "measure": "rate", "above": 1}') RETURNING id""",
        (plant.facility_id,),
    ).fetchone() or (0,)
    for fired_at, resolved_at, undone_at in (
        ("2026-03-01", "2026-03-02", None),
        ("2026-03-03", None, "2026-03-04"),
        ("2026-03-05", None, None),
    ):
        connection.execute(
            "INSERT INTO alert (facility_id, threshold_id, threshold_version, state, projected,"
            " started_at, fired_at, resolved_at, undone_at, limit_value, data_version, told)"
            " VALUES (%s, %s, 1, 'firing', false, %s, %s, %s, %s, 1, 1, false)",
            (plant.facility_id, threshold_id, fired_at, fired_at, resolved_at, undone_at),
        )

    connection.execute(
        "INSERT INTO maintenance (facility_id, slug, origin, from_ts, to_ts, reason, sources)"
        " VALUES (%s, 'overhaul', 'api', '2026-03-01', '2026-03-03', 'yearly', '{kiln}')",
        (plant.facility_id,),
    )

    async def told(begins: str, ends: str) -> list[str]:
        asked = {"from": begins, "to": ends}
        rows = (await client.get("/v1/annotations", params=asked)).json()
        listed = (await client.get("/v1/alerts", params=asked)).json()
        alerts = [row["time"] for row in rows if row["tags"][0] == "alert"]
        assert sorted(row["fired_at"] for row in listed) == alerts
        return [f"{row['tags'][0]} {row['time'][8:10]}" for row in rows]

    assert await told("2026-03-01T06:00Z", "2026-03-01T07:00Z") == ["alert 01", "maintenance 01"]
    assert await told("2026-03-02T06:00Z", "2026-03-02T07:00Z") == ["maintenance 01"]
    assert await told("2026-03-03T06:00Z", "2026-03-03T07:00Z") == ["alert 03"]
    # one that was undone is over, too
    assert await told("2026-03-04T06:00Z", "2026-03-04T07:00Z") == []
    assert await told("2026-03-06T06:00Z", "2026-03-06T07:00Z") == ["alert 05"]
    asked = {"kind": "maintenance", "from": "2026-03-02", "to": "2026-03-03"}
    assert (await client.get("/v1/annotations", params=asked)).json() == [
        {
            "time": "2026-03-01T00:00:00Z",
            "timeEnd": "2026-03-03T00:00:00Z",
            "title": "maintenance overhaul",
            "text": "yearly",
            "tags": ["maintenance", "linz", "kiln"],
        }
    ]

"""Rows of a plant, written straight into the tables as the aggregator leaves them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
KG = 1_000_000_000
FULL = 60_000

ROLLING = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "365d": timedelta(days=365),
}


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A facility in the registry."""

    facility_id: int
    slug: str
    timezone: str
    #: source id by slug
    sources: dict[str, int]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def found(
    connection: psycopg.Connection[Any],
    slug: str,
    *,
    timezone: str = "UTC",
    sources: Iterable[tuple[str, int, str | None]] = (("stack-1", 1, None),),
) -> Plant:
    """Insert a facility; ``sources``: slug, scope and activity unit of each."""
    row = connection.execute(
        "INSERT INTO facility (slug, name, timezone, document) VALUES (%s, %s, %s, '{}')"
        " RETURNING id",
        (slug, f"{slug.capitalize()} works", timezone),
    ).fetchone()
    assert row is not None
    ids: dict[str, int] = {}
    for source, scope, unit in sources:
        method = "activity" if unit else "stack"
        found_id = connection.execute(
            "INSERT INTO source (facility_id, slug, scope, method, activity_unit, spec)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            (row[0], source, scope, method, unit, Jsonb({"id": source, "method": method})),
        ).fetchone()
        assert found_id is not None
        ids[source] = found_id[0]
    connection.execute("UPDATE registry_revision SET revision = revision + 1")
    return Plant(facility_id=row[0], slug=slug, timezone=timezone, sources=ids)


def minutes(
    connection: psycopg.Connection[Any],
    source_id: int,
    rows: Iterable[tuple[datetime, float, int]],
    *,
    activity: float | None = None,
) -> None:
    """Store minutes (start, kg CO2, covered ms) and bring their hours up to date."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO emission_minute"
            " (source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, covered_ms)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (source_id, minute) DO UPDATE SET"
            " co2_ug = excluded.co2_ug, co2e_ug = excluded.co2e_ug, market_ug = excluded.market_ug,"
            " activity_n = excluded.activity_n, covered_ms = excluded.covered_ms",
            [
                (
                    source_id,
                    minute,
                    round(kg * KG),
                    round(kg * KG * 1.01),
                    round(kg * KG),
                    None if activity is None else round(activity * 1e9),
                    covered_ms,
                )
                for minute, kg, covered_ms in rows
            ],
        )
    connection.execute(
        "INSERT INTO emission_hour AS h (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n,"
        " covered_ms, version, final, quality, reason)"
        " SELECT source_id, date_trunc('hour', minute), sum(co2_ug), sum(co2e_ug), sum(market_ug),"
        " sum(activity_n), sum(covered_ms), 1, false,"
        " CASE WHEN sum(covered_ms) >= 3600000 THEN 'measured' ELSE 'partial' END, 'open'"
        " FROM emission_minute WHERE source_id = %s GROUP BY 1, 2"
        " ON CONFLICT (source_id, hour) DO UPDATE SET co2_ug = excluded.co2_ug,"
        " co2e_ug = excluded.co2e_ug, market_ug = excluded.market_ug,"
        " activity_n = excluded.activity_n,"
        " covered_ms = excluded.covered_ms, quality = excluded.quality",
        (source_id,),
    )


def local_start(span: str, upto: datetime, timezone: str) -> datetime:
    """The first minute of today, the month or the year at ``upto``."""
    local = upto.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0, fold=0)
    if span in {"month", "year"}:
        local = local.replace(day=1)
    if span == "year":
        local = local.replace(month=1)
    return local.astimezone(UTC)


def roll(connection: psycopg.Connection[Any], plant: Plant, upto: datetime) -> None:
    """Store every rolling total as of the minute ``upto``, summed from the minutes."""
    for source_id in plant.sources.values():
        for span in (*ROLLING, "today", "month", "year"):
            since = (
                upto - ROLLING[span] + MINUTE
                if span in ROLLING
                else local_start(span, upto, plant.timezone)
            )
            connection.execute(
                "INSERT INTO rolling_total"
                " (source_id, span, since, upto, co2_ug, co2e_ug, market_ug, covered_ms)"
                " SELECT %(s)s, %(span)s, %(since)s, %(upto)s, coalesce(sum(co2_ug), 0),"
                " coalesce(sum(co2e_ug), 0), coalesce(sum(market_ug), 0),"
                " coalesce(sum(covered_ms), 0)"
                " FROM emission_minute WHERE source_id = %(s)s"
                " AND minute BETWEEN %(since)s AND %(upto)s"
                " ON CONFLICT (source_id, span) DO UPDATE SET since = excluded.since,"
                " upto = excluded.upto, co2_ug = excluded.co2_ug, co2e_ug = excluded.co2e_ug,"
                " market_ug = excluded.market_ug, covered_ms = excluded.covered_ms",
                {"s": source_id, "span": span, "since": since, "upto": upto},
            )


def announce(connection: psycopg.Connection[Any], plant: Plant) -> None:
    """Say that totals changed, as the aggregator does after each tick."""
    connection.execute(
        "INSERT INTO facility_progress AS p (facility_id, sequence, changed_at)"
        " VALUES (%s, 1, now()) ON CONFLICT (facility_id) DO UPDATE"
        " SET sequence = p.sequence + 1, changed_at = now()",
        (plant.facility_id,),
    )
    connection.execute("SELECT pg_notify('tonne_live', %s)", (plant.slug,))

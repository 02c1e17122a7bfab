"""What a facility emits now: rates and totals by window, read in one statement.

What a retired source emitted stays in the totals, unless an active source of the same scope counts
the same readings in its place.

The cost does not depend on the length of a window. ``rolling_total`` holds the exact total of the
minutes ``since .. upto``; what a window gained and lost since the aggregator last moved it are a
few minutes at its two ends, and those are summed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Every window of a live answer, in the order it is shown.
SPANS = ("1h", "24h", "7d", "30d", "365d", "today", "month", "year")

#: A rate older than this is no present rate.
RATE_HORIZON = timedelta(minutes=15)

_MINUTE = timedelta(minutes=1)
_MILLISECOND = timedelta(milliseconds=1)

# Of each source and span: the stored total, plus the minutes that came since, minus those that
# left. A to-date span that has just begun anew is summed from its start. `at` is the last minute
# of the window; a stored total that is ahead of this machine's clock is taken as it stands.
_LIVE = text(
    """
WITH f AS (
    SELECT f.id, f.slug, f.timezone, p.sequence, p.changed_at
    FROM facility f LEFT JOIN facility_progress p ON p.facility_id = f.id
    WHERE f.slug = :facility
), s AS MATERIALIZED (
    SELECT s.id, s.slug, s.scope, s.active, s.retired_at, f.timezone,
           NOT s.active AND EXISTS (
               SELECT FROM source_input i
               JOIN source_input j ON j.channel_id = i.channel_id
                   AND j.role NOT IN ('operating', 'load')
               JOIN source o ON o.id = j.source_id AND o.active AND o.scope = s.scope
               WHERE i.source_id = s.id AND i.role NOT IN ('operating', 'load')) AS succeeded,
           n.minute AS newest_minute, n.co2_ug AS newest_co2_ug, n.covered_ms AS newest_covered_ms
    FROM f JOIN source s ON s.facility_id = f.id
    LEFT JOIN LATERAL (
        SELECT m.minute, m.co2_ug, m.covered_ms FROM minute_in_force m
        WHERE m.source_id = s.id AND m.minute <= CAST(:minute AS timestamptz)
          -- covered time is whole milliseconds: over less than a second no rate can be told
          AND m.covered_ms >= 1000
          AND m.minute > CAST(:minute AS timestamptz) - interval '31 days'
        ORDER BY m.minute DESC LIMIT 1
    ) n ON true
), t AS (
    SELECT r.*, s.timezone, greatest(CAST(:minute AS timestamptz), r.upto) AS at,
           CASE r.span WHEN 'today' THEN 'day' ELSE r.span END AS unit
    FROM s JOIN rolling_total r ON r.source_id = s.id
), w AS (
    SELECT t.*, CASE span
        WHEN '1h' THEN at - interval '59 minutes'
        WHEN '24h' THEN at - interval '1439 minutes'
        WHEN '7d' THEN at - interval '10079 minutes'
        WHEN '30d' THEN at - interval '43199 minutes'
        WHEN '365d' THEN at - interval '525599 minutes'
        ELSE CASE WHEN date_trunc(unit, since, timezone) = date_trunc(unit, at, timezone)
             THEN since ELSE date_trunc(unit, at, timezone) END
    END AS begins
    FROM t
), r AS MATERIALIZED (
    SELECT w.*, (span NOT IN ('today', 'month', 'year') OR since = begins) AS kept FROM w
), ranges AS (
    SELECT source_id, upto + interval '1 minute' AS lo, at AS hi FROM r WHERE kept AND upto < at
    UNION
    SELECT source_id, since, begins - interval '1 minute' FROM r WHERE kept AND since < begins
    UNION
    SELECT source_id, begins, at FROM r WHERE NOT kept
), sums AS MATERIALIZED (
    SELECT ranges.source_id, ranges.lo, ranges.hi, x.co2_ug, x.co2e_ug, x.market_ug, x.covered_ms,
           x.closing_ms, x.substituted_ms, x.estimated_ms
    FROM ranges, LATERAL (
        SELECT sum(m.co2_ug + m.closing_ug) AS co2_ug, sum(m.co2e_ug + m.closing_ug) AS co2e_ug,
               sum(m.market_ug + m.closing_ug) AS market_ug, sum(m.covered_ms) AS covered_ms,
               sum(m.closing_ms) AS closing_ms, sum(m.substituted_ms) AS substituted_ms,
               sum(m.estimated_ms) AS estimated_ms
        FROM minute_in_force m
        WHERE m.source_id = ranges.source_id AND m.minute BETWEEN ranges.lo AND ranges.hi
    ) x
)
SELECT f.slug AS facility, f.timezone, f.sequence, f.changed_at,
       s.id AS source_id, s.slug AS source, s.scope, s.active, s.retired_at, s.succeeded,
       s.newest_minute, s.newest_co2_ug, s.newest_covered_ms, r.span, r.begins, r.at,
       CASE WHEN r.kept THEN r.co2_ug ELSE 0 END
         + coalesce(came.co2_ug, 0) - coalesce(went.co2_ug, 0) AS co2_ug,
       CASE WHEN r.kept THEN r.co2e_ug ELSE 0 END
         + coalesce(came.co2e_ug, 0) - coalesce(went.co2e_ug, 0) AS co2e_ug,
       CASE WHEN r.kept THEN r.market_ug ELSE 0 END
         + coalesce(came.market_ug, 0) - coalesce(went.market_ug, 0) AS market_ug,
       CASE WHEN r.kept THEN r.covered_ms ELSE 0 END
         + coalesce(came.covered_ms, 0) - coalesce(went.covered_ms, 0) AS covered_ms,
       CASE WHEN r.kept THEN r.covered_ms + r.closing_ms - r.estimated_ms ELSE 0 END
         + coalesce(came.covered_ms + came.closing_ms - came.estimated_ms, 0)
         - coalesce(went.covered_ms + went.closing_ms - went.estimated_ms, 0) AS measured_ms,
       CASE WHEN r.kept THEN r.substituted_ms ELSE 0 END
         + coalesce(came.substituted_ms, 0) - coalesce(went.substituted_ms, 0) AS substituted_ms,
       CASE WHEN r.kept THEN r.estimated_ms ELSE 0 END
         + coalesce(came.estimated_ms, 0) - coalesce(went.estimated_ms, 0) AS estimated_ms
FROM f
LEFT JOIN s ON true
LEFT JOIN r ON r.source_id = s.id
LEFT JOIN sums came ON came.source_id = r.source_id AND came.hi = r.at
    AND came.lo = CASE WHEN r.kept THEN r.upto + interval '1 minute' ELSE r.begins END
LEFT JOIN sums went ON r.kept AND went.source_id = r.source_id AND went.lo = r.since
    AND went.hi = r.begins - interval '1 minute'
ORDER BY s.id
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanTotal:
    """What one source emitted in one window; masses in micrograms."""

    co2_ug: int
    co2e_ug: int
    #: scope 2, market-based; as co2_ug where no contract says otherwise
    market_ug: int
    covered_ms: int
    #: covered and not estimated, or found valid as a whole by the rule that the hour is under
    measured_ms: int
    substituted_ms: int
    #: covered by a register's reading from too long before
    estimated_ms: int
    #: length of the window
    window_ms: int
    #: how much of it the source was there
    expected_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceLive:
    """One source now."""

    slug: str
    scope: int
    #: False: the facility file names it no more; what it emitted stays
    active: bool
    #: an active source counts the same readings in its place
    succeeded: bool
    #: micrograms per hour in the newest known minute; None: nothing known in the last 15 minutes
    rate_ug_h: float | None
    #: start of the newest known minute of the last 31 days
    newest_minute: datetime | None
    #: by span; a span is missing while the aggregator has not yet seen the source
    totals: Mapping[str, SpanTotal] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityLive:
    """A facility now, source by source."""

    slug: str
    timezone: str
    as_of: datetime
    #: rises with every change of the facility's totals
    sequence: int
    changed_at: datetime | None
    sources: tuple[SourceLive, ...]


async def facility_live(
    connection: AsyncConnection, facility: str, *, now: datetime
) -> FacilityLive | None:
    """Read the state of ``facility`` at ``now``, its current minute included.

    :returns: None if there is no such facility.
    """
    minute = now.replace(second=0, microsecond=0)
    rows = (
        (await connection.execute(_LIVE, {"facility": facility, "minute": minute})).mappings().all()
    )
    if not rows:
        return None
    totals: dict[int, dict[str, SpanTotal]] = {}
    sources: dict[int, SourceLive] = {}
    for row in rows:
        source_id = row["source_id"]
        if source_id is None:
            continue
        if source_id not in sources:
            sources[source_id] = source_live(row, minute, totals.setdefault(source_id, {}))
        if row["span"] is not None:
            totals[source_id][row["span"]] = span_total(row)
    return FacilityLive(
        slug=rows[0]["facility"],
        timezone=rows[0]["timezone"],
        as_of=now,
        sequence=rows[0]["sequence"] or 0,
        changed_at=rows[0]["changed_at"],
        sources=tuple(sources.values()),
    )


def source_live(
    row: Mapping[Any, Any], minute: datetime, totals: Mapping[str, SpanTotal]
) -> SourceLive:
    """A source from a row with its newest known minute at ``minute``."""
    newest: datetime | None = row["newest_minute"]
    recent = newest is not None and newest > minute - RATE_HORIZON and row["active"]
    return SourceLive(
        slug=row["source"],
        scope=row["scope"],
        active=row["active"],
        succeeded=row["succeeded"],
        rate_ug_h=row["newest_co2_ug"] * 3_600_000 / row["newest_covered_ms"] if recent else None,
        newest_minute=newest,
        totals=totals,
    )


def span_total(row: Mapping[Any, Any]) -> SpanTotal:
    """A window's total from a row with its first and last minute, ``begins`` and ``at``."""
    ends = row["at"] + _MINUTE
    length = ends - row["begins"]
    there = length
    if not row["active"]:
        there = min(length, max(timedelta(0), (row["retired_at"] or ends) - row["begins"]))
    return SpanTotal(
        co2_ug=int(row["co2_ug"]),
        co2e_ug=int(row["co2e_ug"]),
        market_ug=int(row["market_ug"]),
        covered_ms=int(row["covered_ms"]),
        measured_ms=int(row["measured_ms"]),
        substituted_ms=int(row["substituted_ms"]),
        estimated_ms=int(row["estimated_ms"]),
        window_ms=length // _MILLISECOND,
        expected_ms=there // _MILLISECOND,
    )

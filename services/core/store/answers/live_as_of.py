"""What a facility's live totals were at an instant, as it was known then.

A window is made of the whole hours in it, as they were known
(:mod:`..emissions.hours_as_known`), and of the minutes of at most one hour at each end: their share
of what was known of that hour. Which sources there were is told by their configurations; how they
are banded and checked is today's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.answers.live import FacilityLive, source_live
from services.core.store.answers.live_windows import SpanTotal
from services.core.store.emissions import hours_as_known
from services.core.store.emissions.hours_as_known import as_then
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.schema.figures import (
    MASSES,
    METHOD_TIMES,
    METHODS_MS,
    OF_COVERED,
    TIMES,
    names,
    per_figure,
)
from services.core.timeline import windows
from services.core.timeline.instants import HOUR, MILLISECOND, MINUTE

_FACILITY = text(
    """
SELECT f.id, f.slug, f.timezone, p.sequence, p.changed_at
FROM facility f LEFT JOIN facility_progress p ON p.facility_id = f.id WHERE f.slug = :facility
"""
)

_SOURCES = text(
    f"""
SELECT s.id AS source_id, s.slug AS source, coalesce(s.spec->>'name', s.slug) AS name, s.scope,
       a.active, s.retired_at,
       {is_replaced("a.active")} AS replaced,
       n.minute AS newest_minute, n.covered_ms AS newest_covered_ms,
       {per_figure(MASSES, "n.{f} AS newest_{f}")}
FROM source s
CROSS JOIN LATERAL (SELECT s.active OR s.retired_at > :as_of AS active) a
LEFT JOIN LATERAL (
    SELECT m.minute, m.covered_ms, {per_figure(MASSES, "m.{f}")} FROM minute_in_force m
    WHERE m.source_id = s.id AND m.minute <= :as_of AND m.covered_ms >= 1000
      AND m.minute > CAST(:as_of AS timestamptz) - interval '31 days'
    ORDER BY m.minute DESC LIMIT 1
) n ON true
WHERE s.facility_id = :facility_id AND NOT (
    EXISTS (SELECT FROM source_revision r WHERE r.source_id = s.id)
    AND NOT EXISTS (SELECT FROM source_revision r
                    WHERE r.source_id = s.id AND r.known_at <= :as_of))
ORDER BY s.id
"""
)

# What of covered time is not measured, and the times of methods, of minutes as they were known.
_NOT_MEASURED: LiteralString = " ".join(
    f"- {as_then(time.name, f'm.{time.name}')}" for time in OF_COVERED
)
_METHOD_TIMES: LiteralString = ", ".join(
    f"sum(c.kept * m.{time}) AS {time}"
    if time.set_by_closing
    else f"round(sum({as_then(time.name, f'm.{time.name}')})) AS {time}"
    for time in METHOD_TIMES
)

_TOTALS = text(
    f"""
WITH n AS (
    SELECT *, least(whole_from, CAST(:running AS timestamptz)) AS lead_ends,
           greatest(begins, CAST(:running AS timestamptz)) AS tail_begins
    FROM unnest(CAST(:spans AS text[]), CAST(:begins AS timestamptz[]),
                CAST(:whole_from AS timestamptz[])) AS x(span, begins, whole_from)
), v AS ({hours_as_known.CLOSED_AS_KNOWN}
), of_hours AS (
    SELECT v.source_id, n.span, {per_figure(MASSES, "sum(v.{f}) AS {f}")},
           {", ".join(f"sum(v.{time}) AS {time}" for time in TIMES)}
    FROM v JOIN n ON v.hour >= n.whole_from AND v.hour < :running
    GROUP BY 1, 2
), of_minutes AS (
    SELECT s.id AS source_id, n.span, x.*
    FROM unnest(CAST(:sources AS int[])) AS s(id) CROSS JOIN n CROSS JOIN LATERAL (
        SELECT {
        per_figure(
            MASSES, "round(sum(" + as_then("{f}", "m.{f} + c.kept * {f.added}") + ")) AS {f}"
        )
    },
               round(sum({as_then("covered_ms", "m.covered_ms")})) AS covered_ms,
               round(sum({as_then("covered_ms", "m.covered_ms + c.kept * m.closing_ms")}
                         {_NOT_MEASURED})) AS measured_ms,
               {_METHOD_TIMES}
        FROM minute_in_force m
        -- at that time the hour that was running had not been closed
        CROSS JOIN LATERAL (SELECT (m.minute < :running)::int AS kept) c
        JOIN emission_hour h ON h.source_id = m.source_id
         AND h.hour = date_trunc('hour', m.minute, 'UTC') AND h.opened_at <= :as_of
        {hours_as_known.VERSION_THEN}
        WHERE m.source_id = s.id
          AND ((m.minute >= n.begins AND m.minute < n.lead_ends)
               OR (m.minute >= n.tail_begins AND m.minute <= :as_of))) x
)
SELECT a.source_id, a.span, n.begins, CAST(:minute AS timestamptz) AS at,
       {per_figure(MASSES, "sum({f}) AS {f}")},
       {", ".join(f"sum({time}) AS {time}" for time in TIMES)}
FROM (SELECT * FROM of_hours UNION ALL SELECT * FROM of_minutes WHERE co2_ug IS NOT NULL) a
JOIN n USING (span)
GROUP BY 1, 2, 3
"""
)

_NOTHING = dict.fromkeys((*names(MASSES), *TIMES), 0)


async def facility_live_as_of(
    connection: AsyncConnection, facility: str, *, as_of: datetime
) -> FacilityLive | None:
    """Read what was known at ``as_of`` (aware, not after now) of ``facility``.

    :returns: None if there is no such facility.
    """
    head = (await connection.execute(_FACILITY, {"facility": facility})).one_or_none()
    if head is None:
        return None
    minute = as_of.replace(second=0, microsecond=0)
    sources = (
        (await connection.execute(_SOURCES, {"facility_id": head.id, "as_of": as_of}))
        .mappings()
        .all()
    )
    begins = windows.first_minutes(minute, ZoneInfo(head.timezone))
    rows = await connection.execute(
        _TOTALS,
        {
            **hours_as_known.parameters(as_of),
            "sources": [source["source_id"] for source in sources],
            "spans": list(begins),
            "begins": list(begins.values()),
            "whole_from": [_whole_hour(begin) for begin in begins.values()],
            "first": min(begins.values()),
            "last": as_of,
            "minute": minute,
        },
    )
    totals = {(row["source_id"], row["span"]): row for row in rows.mappings()}
    return FacilityLive(
        slug=head.slug,
        timezone=head.timezone,
        as_of=as_of,
        sequence=head.sequence or 0,
        changed_at=head.changed_at,
        sources=tuple(
            source_live(
                source,
                minute,
                {
                    window: _span_total(
                        {
                            **_NOTHING,
                            **totals.get((source["source_id"], window), {}),
                            "begins": since,
                            "at": minute,
                            "active": source["active"],
                            "retired_at": source["retired_at"],
                        }
                    )
                    for window, since in begins.items()
                },
            )
            for source in sources
        ),
    )


def _whole_hour(instant: datetime) -> datetime:
    """Return the first start of an hour that is not before ``instant``."""
    hour = instant.replace(minute=0, second=0, microsecond=0)
    return hour if hour == instant else hour + HOUR


def _span_total(row: Mapping[Any, Any]) -> SpanTotal:
    """Return a window's total from a row with its first and last minute, ``begins`` and ``at``."""
    ends = row["at"] + MINUTE
    length = ends - row["begins"]
    expected = length
    if not row["active"]:
        expected = min(length, max(timedelta(0), (row["retired_at"] or ends) - row["begins"]))
    methods_ms = tuple(int(row[time]) for time in METHODS_MS)
    return SpanTotal(
        masses_ug=tuple(int(row[name]) for name in names(MASSES)),
        covered_ms=min(int(row["covered_ms"]), sum(methods_ms)),
        methods_ms=methods_ms,
        window_ms=length // MILLISECOND,
        expected_ms=expected // MILLISECOND,
    )

"""Writes what the aggregator computed: minutes, hours with their ledger, rolling totals.

Everything is kept by difference: a minute that changes by d changes its hour and every rolling
total it stands in by d. Figures are integers, so this is exact in any order, and the cost does not
depend on how long a window is or how much history there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from services.core.store.emissions.hour_ledger import NEXT_VERSION, supersede
from services.core.store.emissions.hour_quality import hour_quality
from services.core.store.emissions.minute_changes import Changes, SourceMinutes, packed
from services.core.store.schema.figures import (
    COMPUTED,
    FIGURES,
    IN_HOURS,
    IN_WINDOWS,
    names,
    per_figure,
)

_RECORDED: Final = packed(COMPUTED)

# Only minutes that differ are written; one that nothing is known of, and never was, is not.
# The LATERAL makes the planner look each minute up instead of reading the hypertable; `oldest`
# and `newest` keep it from looking in other chunks.
# What closing added is left alone: it is the hour's matter, set when the hour is judged again.
_RECORD: LiteralString = f"""
WITH changed AS (
    SELECT s.source_id, s.minute AS at, t.minute, {per_figure(COMPUTED, "s.{f}")}, s.activity,
           {per_figure(COMPUTED, "coalesce(s.{f}, 0) - coalesce(m.{f}, 0) AS d_{f}")}
    FROM (
        SELECT source_id, minute, {per_figure(f for f in COMPUTED if not f.nullable)},
               CASE WHEN has_activity THEN activity_n END AS activity_n,
               CASE WHEN has_activity THEN activity END AS activity
        FROM unnest(%(sources)s::int4[], %(minutes)s::int4[],
                    {per_figure(COMPUTED, "%({f})s::{f.type}[]")}, %(activity)s::float8[],
                    %(has_activity)s::bool[])
             AS u(source_id, minute, {per_figure(COMPUTED)}, activity, has_activity)) s
    CROSS JOIN LATERAL (
        SELECT minute_start(s.minute) AS minute) t
    LEFT JOIN LATERAL (
        SELECT * FROM public.emission_minute e
        WHERE e.source_id = s.source_id AND e.minute = t.minute
          AND e.minute BETWEEN %(oldest)s::timestamptz AND %(newest)s::timestamptz
        LIMIT 1) m ON true
    WHERE (m.source_id IS NULL AND s.covered_ms > 0)
       OR (m.source_id IS NOT NULL
           AND ({per_figure(COMPUTED, "m.{f}")}, m.activity)
           IS DISTINCT FROM ({per_figure(COMPUTED, "s.{f}")}, s.activity))
), written AS (
    INSERT INTO public.emission_minute (source_id, minute, {per_figure(COMPUTED)}, activity)
    SELECT source_id, minute, {per_figure(COMPUTED)}, activity FROM changed
    ON CONFLICT (source_id, minute) DO UPDATE
    SET {per_figure(COMPUTED, "{f} = excluded.{f}")}, activity = excluded.activity
)
SELECT {
    _RECORDED.sql(
        "source_id", "at", "activity_n IS NOT NULL", *(f"d_{name}" for name in names(COMPUTED))
    )
}
FROM changed
"""

_CHANGES: LiteralString = f"""
unnest(%(sources)s::int4[], %(minutes)s::int4[], %(has_activity)s::bool[],
       {per_figure(FIGURES, "%({f})s::{f.type}[]")})
    AS d(source_id, minute, has_activity, {per_figure(FIGURES)})
"""

# Changes that cancel each other out change nothing.
_HOURS: LiteralString = f"""
WITH d AS (
    SELECT source_id,
           minute_start(minute / 60 * 60) AS hour,
           {per_figure((f for f in IN_HOURS if not f.nullable), "sum({f})::{f.type} AS {f}")},
           sum(activity_n) FILTER (WHERE has_activity)::int8 AS activity_n
    FROM {_CHANGES}
    GROUP BY 1, 2
    HAVING ({per_figure(IN_HOURS, "sum({f})")}) IS DISTINCT FROM ({per_figure(IN_HOURS, "0")})
), superseded AS (
    {supersede("emission_hour h JOIN d USING (source_id, hour)")}
), written AS (
    INSERT INTO emission_hour AS h
        (source_id, hour, {per_figure(IN_HOURS)}, version, final, quality, reason, known_at,
         opened_at)
    SELECT source_id, hour, {per_figure(IN_HOURS)}, 1, false,
           {hour_quality("covered_ms", "estimated_ms")}, 'open', known_now(),
           known_now()
    FROM d
    ON CONFLICT (source_id, hour) DO UPDATE
    SET {per_figure(IN_HOURS, "{f} = coalesce(h.{f}, 0) + excluded.{f}")}, {NEXT_VERSION},
        quality = {
    hour_quality("h.covered_ms + excluded.covered_ms", "h.estimated_ms + excluded.estimated_ms")
}
)
SELECT count(*) FROM superseded
"""

_ROLL_CHANGES: LiteralString = f"""
UPDATE rolling_total r
SET {per_figure(IN_WINDOWS, "{f} = r.{f} + c.{f}")}
FROM (
    SELECT t.source_id, t.span, {per_figure(IN_WINDOWS, "sum(d.{f}) AS {f}")}
    FROM {_CHANGES}
    JOIN rolling_total t ON t.source_id = d.source_id
     AND minute_start(d.minute) BETWEEN t.since AND t.upto
    GROUP BY 1, 2
) c
WHERE r.source_id = c.source_id AND r.span = c.span
"""


def record(connection: psycopg.Connection[Any], computed: Sequence[SourceMinutes]) -> Changes:
    """Write the minutes that differ from what is stored and return by how much they do."""
    minutes = np.concatenate([part.minutes for part in computed])
    if not minutes.size:
        return Changes.none()
    sizes = [part.minutes.size for part in computed]
    row = connection.execute(
        _RECORD,
        {
            "sources": np.concatenate([part.source_ids for part in computed]),
            "minutes": minutes,
            **{
                name: np.concatenate([part.figures[name] for part in computed])
                for name in names(COMPUTED)
            },
            "activity": np.concatenate(
                [np.zeros(e.minutes.size) if e.activity is None else e.activity for e in computed]
            ),
            # an amount that cannot be is none at all
            "has_activity": np.repeat([e.activity is not None for e in computed], sizes)
            & ~np.concatenate([part.beyond for part in computed]),
            "oldest": datetime.fromtimestamp(int(minutes.min()) * 60, UTC),
            "newest": datetime.fromtimestamp(int(minutes.max()) * 60, UTC),
        },
        binary=True,
        # planned anew each time: only a plan for these very minutes leaves other chunks out
        prepare=False,
    ).fetchone()
    return Changes.from_columns(_RECORDED.columns(None if row is None else row[0]))


def change_hours(
    connection: psycopg.Connection[Any], changes: Changes, reasons: Mapping[int, str]
) -> int:
    """Change the hours by their minutes' changes; return how many closed hours were restated.

    ``reasons`` by source: why, for those that were closed.
    """
    if not len(changes):
        return 0
    row = connection.execute(_HOURS, {**changes.columns, "reasons": Jsonb(reasons)}).fetchone()
    return int(row[0]) if row else 0


def change_rolling(
    connection: psycopg.Connection[Any], changes: Changes, newest_minute: int
) -> None:
    """Change the rolling totals that the changed minutes stand in; none holds a later minute."""
    standing = changes.where(changes.columns["minutes"] <= newest_minute)
    if len(standing):
        connection.execute(_ROLL_CHANGES, standing.columns)

"""Moves rolling totals on with time: what enters a window is added, what leaves is taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

import numpy as np
import psycopg

from services.core.store.emissions import minute_history, window_sums
from services.core.store.schema.figures import (
    CLOSING_SHARES,
    FIGURES,
    IN_WINDOWS,
    MASSES,
    names,
    per_figure,
)
from services.core.timeline.instants import to_minute

# With each total whether minutes that it gains or loses are packed: mostly none is older than all
# that ever was, but for those that a window of a year loses.
_STANDING = """
SELECT r.source_id, r.span, r.since, r.upto,
       CASE WHEN (r.since < p.before AND r.since < x.since) OR r.upto < p.before THEN EXISTS (
           SELECT FROM packed_minutes p
           WHERE p.source_id = r.source_id AND (
               p.day BETWEEN minute_of(r.since) / 1440 AND minute_of(x.since) / 1440
               OR p.day BETWEEN minute_of(r.upto) / 1440 AND minute_of(%(through)s) / 1440))
       ELSE false END
FROM rolling_total r
JOIN unnest(%(windows)s::text[], %(since)s::timestamptz[]) AS x(span, since) ON x.span = r.span
CROSS JOIN (
    SELECT (SELECT minute_start(1440 * upto_day::int8) FROM packing_horizon WHERE id = 2) AS before
) p
WHERE r.source_id = ANY(%(sources)s)
"""

# What entered since the last advance is added, what left is taken away; a total whose period began
# after the last advance starts from nothing. The minutes that do either are read once for all
# totals, a branch for each stretch of them: only so are other chunks left out of the plan.
_ADVANCE: LiteralString = f"""
WITH m AS MATERIALIZED (
    {{minutes}}
)
UPDATE rolling_total r
SET since = c.since, upto = %(through)s, {per_figure(IN_WINDOWS, "{f} = c.kept * r.{f} + c.{f}")}
FROM (
    SELECT o.source_id, o.span, x.since, (x.since <= o.upto)::int AS kept,
           {per_figure(IN_WINDOWS, "coalesce(sum(s.sign * ({f.closed})), 0){f.window_cast} AS {f}")}
    FROM rolling_total o
    JOIN unnest(%(windows)s::text[], %(since)s::timestamptz[]) AS x(span, since) ON x.span = o.span
    LEFT JOIN m ON m.source_id = o.source_id AND (
        (m.minute > o.upto AND m.minute >= x.since)
        OR (x.since <= o.upto AND m.minute >= o.since AND m.minute < x.since))
    CROSS JOIN LATERAL (SELECT CASE WHEN m.minute > o.upto THEN 1 ELSE -1 END AS sign) s
    WHERE o.source_id = ANY(%(sources)s) AND o.upto < %(through)s
    GROUP BY o.source_id, o.span, x.since, o.upto
) c
WHERE r.source_id = c.source_id AND r.span = c.span
"""  # noqa: S608 - constants

_IN_FORCE = (*MASSES, *CLOSING_SHARES, *(f for f in FIGURES if f not in MASSES))
_STRETCH: LiteralString = f"""
    SELECT source_id, minute, {per_figure(_IN_FORCE)} FROM public.minute_in_force
    WHERE source_id = ANY(%(sources)s)
      AND minute >= %(first_{{i}})s::timestamptz AND minute < %(stop_{{i}})s::timestamptz
"""  # noqa: S608 - constants

# Those of them that are packed.
_PACKED: LiteralString = f"""
    SELECT source_id, minute_start(minute), {per_figure(_IN_FORCE)}
    FROM unnest(%(packed_sources)s::int8[], %(packed_minutes)s::int8[],
                {per_figure(_IN_FORCE, "%(packed_{f})s::int8[]")})
         AS u(source_id, minute, {per_figure(_IN_FORCE)})
"""  # noqa: S608 - constants

# What is packed is added up before.
_BEGIN: LiteralString = f"""
INSERT INTO rolling_total (source_id, span, since, upto, {per_figure(IN_WINDOWS)})
SELECT s.source_id, n.span, n.since, %(through)s, {
    per_figure(IN_WINDOWS, "t.{f} + coalesce(p.{f}, 0){f.window_cast}")
}
FROM unnest(%(sources)s::int4[]) AS s(source_id)
CROSS JOIN unnest(%(windows)s::text[], %(since)s::timestamptz[]) AS n(span, since)
CROSS JOIN LATERAL (
    SELECT {per_figure(IN_WINDOWS, "coalesce(sum({f.closed}), 0){f.window_cast} AS {f}")}
    FROM public.minute_in_force m
    WHERE m.source_id = s.source_id AND m.minute BETWEEN n.since AND %(through)s) t
LEFT JOIN unnest(%(packed_sources)s::int8[], %(packed_windows)s::text[],
                 {per_figure(IN_WINDOWS, "%({f})s::numeric[]")})
     AS p(source_id, span, {per_figure(IN_WINDOWS)})
  ON p.source_id = s.source_id AND p.span = n.span
WHERE NOT EXISTS (
    SELECT FROM rolling_total r WHERE r.source_id = s.source_id AND r.span = n.span)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants


_LACKING = """
SELECT EXISTS (
    SELECT FROM unnest(%s::int4[]) AS s(source_id)
    WHERE NOT EXISTS (SELECT FROM rolling_total r WHERE r.source_id = s.source_id))
"""


def lacking(connection: psycopg.Connection[Any], source_ids: Sequence[int]) -> bool:
    """Return whether one of the sources has no totals yet, which :func:`advance` makes."""
    row = connection.execute(_LACKING, (list(source_ids),)).fetchone()
    return row is not None and row[0]


def advance(
    connection: psycopg.Connection[Any],
    source_ids: Sequence[int],
    since: Mapping[str, datetime],
    through: datetime,
) -> None:
    """Move the totals of the sources on to the minute ``through``; ``since`` by window.

    Totals that do not exist yet are made from the minutes themselves.
    """
    parameters: dict[str, Any] = {
        "sources": list(source_ids),
        "windows": list(since),
        "since": list(since.values()),
        "through": through,
    }
    standing = connection.execute(_STANDING, parameters).fetchall()
    stretches = _stretches(
        {
            (since[window], begun, ended)
            for _, window, begun, ended, _ in standing
            if ended < through
        },
        through,
    )
    if stretches:
        minutes = "UNION ALL".join(_STRETCH.format(i=i) for i in range(len(stretches)))
        bounds: dict[str, Any] = {}
        for i, (first, stop) in enumerate(stretches):
            bounds |= {f"first_{i}": first, f"stop_{i}": stop}
        packed = {row[0] for row in standing if row[-1]}
        if packed:
            minutes += "UNION ALL" + _PACKED
            bounds |= _packed(connection, sorted(packed), stretches)
        # planned anew each time: only a plan for these very minutes leaves other chunks out
        connection.execute(_ADVANCE.format(minutes=minutes), parameters | bounds, prepare=False)
    if len(standing) < len(source_ids) * len(since):
        present = {(source_id, window) for source_id, window, *_ in standing}
        missing = [
            (source_id, window)
            for source_id in source_ids
            for window in since
            if (source_id, window) not in present
        ]
        sums = window_sums.packed(connection, missing, since, through)
        connection.execute(_BEGIN, parameters | sums)


def _packed(
    connection: psycopg.Connection[Any],
    source_ids: Sequence[int],
    stretches: Sequence[tuple[datetime, datetime]],
) -> dict[str, Any]:
    parts = [
        minute_history.packed(connection, source_ids, to_minute(first), to_minute(stop))
        for first, stop in stretches
    ]
    return {
        "packed_sources": np.concatenate([part.source for part in parts]),
        "packed_minutes": np.concatenate([part.minutes.minute for part in parts]),
        **{
            f"packed_{name}": np.concatenate([part.minutes.figures[name] for part in parts])
            for name in names(_IN_FORCE)
        },
    }


def _stretches(
    moved: Collection[tuple[datetime, datetime, datetime]], through: datetime
) -> list[tuple[datetime, datetime]]:
    """Return intervals whose minutes enter or leave totals that move on to ``through``.

    Of each total: where it is to begin, where it began, and its last minute. Not two overlap.
    """
    minute = timedelta(minutes=1)
    intervals = {(max(ended + minute, begins), through + minute) for begins, _, ended in moved}
    intervals |= {(begun, begins) for begins, begun, ended in moved if begun < begins <= ended}
    joined: list[tuple[datetime, datetime]] = []
    for first, stop in sorted(intervals):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((first, stop))
    return joined

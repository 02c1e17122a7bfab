"""Moves rolling totals on with time: what enters a window is added, what leaves is taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

from services.core.store.schema.figures import IN_WINDOWS, per_figure

_STANDING = """
SELECT source_id, span, since, upto FROM rolling_total
WHERE source_id = ANY(%(sources)s) AND span = ANY(%(windows)s)
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

_STRETCH: LiteralString = """
    SELECT * FROM minute_in_force
    WHERE source_id = ANY(%(sources)s)
      AND minute >= %(first_{i})s::timestamptz AND minute < %(stop_{i})s::timestamptz
"""

_BEGIN: LiteralString = f"""
INSERT INTO rolling_total (source_id, span, since, upto, {per_figure(IN_WINDOWS)})
SELECT s.source_id, n.span, n.since, %(through)s, {per_figure(IN_WINDOWS, "t.{f}")}
FROM unnest(%(sources)s::int4[]) AS s(source_id)
CROSS JOIN unnest(%(windows)s::text[], %(since)s::timestamptz[]) AS n(span, since)
CROSS JOIN LATERAL (
    SELECT {per_figure(IN_WINDOWS, "coalesce(sum({f.closed}), 0){f.window_cast} AS {f}")}
    FROM minute_in_force m
    WHERE m.source_id = s.source_id AND m.minute BETWEEN n.since AND %(through)s) t
WHERE NOT EXISTS (
    SELECT FROM rolling_total r WHERE r.source_id = s.source_id AND r.span = n.span)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants


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
        {(since[window], begun, ended) for _, window, begun, ended in standing if ended < through},
        through,
    )
    if stretches:
        minutes = "UNION ALL".join(_STRETCH.format(i=i) for i in range(len(stretches)))
        bounds: dict[str, Any] = {}
        for i, (first, stop) in enumerate(stretches):
            bounds |= {f"first_{i}": first, f"stop_{i}": stop}
        # planned anew each time: only a plan for these very minutes leaves other chunks out
        connection.execute(_ADVANCE.format(minutes=minutes), parameters | bounds, prepare=False)
    if len(standing) < len(source_ids) * len(since):
        connection.execute(_BEGIN, parameters)


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

"""Finds rolling and to-date totals that are not the sum of their minutes, or not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from services.core.store.emissions import window_sums
from services.core.store.emissions.ledger_checks import Unequal, differing
from services.core.store.schema.figures import IN_WINDOWS, names, per_figure
from services.core.timeline.instants import to_minute
from services.core.timeline.windows import ROLLING_MINUTES, TOTALS

# Rows lie in the order in which they were written last.
_PLACE = {window: place for place, window in enumerate(TOTALS)}

_CUTS = """
SELECT since, upto + interval '1 minute' FROM rolling_total WHERE source_id = %s
"""

# Windows lie within each other: minutes are added up once, between all of their ends; those that
# are packed were before.
_WINDOWS: LiteralString = f"""
WITH w AS (
    SELECT r.*, r.upto + interval '1 minute' AS ends FROM rolling_total r
    WHERE r.source_id = %(source)s
), b AS MATERIALIZED (
    SELECT array_agg(DISTINCT at ORDER BY at) AS cuts
    FROM w CROSS JOIN LATERAL (VALUES (w.since), (w.ends)) x(at)
), p AS MATERIALIZED (
    SELECT (b.cuts)[width_bucket(m.minute, b.cuts)] AS begins,
           {per_figure(IN_WINDOWS, "sum({f.closed}) AS {f}")}
    FROM b CROSS JOIN LATERAL (
        SELECT * FROM public.minute_in_force e
        WHERE e.source_id = %(source)s AND e.minute >= (b.cuts)[1]
          AND e.minute < (b.cuts)[cardinality(b.cuts)]) m
    GROUP BY 1
    UNION ALL
    SELECT minute_start(first), {per_figure(IN_WINDOWS)}
    FROM unnest(%(packed_from)s::int8[], {per_figure(IN_WINDOWS, "%({f})s::numeric[]")})
        AS u(first, {per_figure(IN_WINDOWS)})
)
SELECT w.span, w.co2_ug, t.co2_ug, w.upto - w.since, ARRAY[{
    per_figure(IN_WINDOWS, "w.{f} <> t.{f}")
}]
FROM w CROSS JOIN LATERAL (
    SELECT {per_figure(IN_WINDOWS, "coalesce(sum(p.{f}), 0) AS {f}")}
    FROM p WHERE p.begins >= w.since AND p.begins < w.ends) t
"""  # noqa: S608 - constants

# Of a source that was set aside no window is told, and of one that is new none is made yet. Values
# are carried and windows moved by the same tick, so that either mark would do; one can be forged.
_WINDOWS_DUE = """
SELECT EXISTS (
    SELECT FROM source s
    JOIN facility f ON f.id = s.facility_id
    JOIN facility_progress p ON p.facility_id = f.id
    WHERE s.id = %(source)s AND s.active AND f.retired_at IS NULL
      AND p.carried_to IS NOT NULL
      AND (EXISTS (SELECT FROM emission_hour h WHERE h.source_id = s.id AND h.final)
           OR EXISTS (SELECT FROM packed_hours p WHERE p.source_id = s.id))
      AND NOT EXISTS (SELECT FROM set_aside a WHERE a.facility_id = f.id))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedWindow:
    """A rolling or to-date total that was added up again."""

    window: str
    is_stored: bool = True
    #: None: it is the sum of its minutes, or not stored
    unequal: Unequal | None = None


def windows_against_minutes(
    connection: psycopg.Connection[Any], source_id: int
) -> list[CheckedWindow]:
    """Add up the rolling and to-date totals of a source again, with those that should be there."""
    windows = []
    cuts = sorted(
        {to_minute(cut) for row in connection.execute(_CUTS, (source_id,)) for cut in row}
    )
    packed = window_sums.between(connection, source_id, cuts)
    for window, stored, sum_ug, length, unequal in connection.execute(
        _WINDOWS, {"source": source_id, **packed}
    ):
        figures = differing(names(IN_WINDOWS), unequal)
        minutes = ROLLING_MINUTES.get(window)
        if minutes is not None and length.total_seconds() != (minutes - 1) * 60:
            figures = (*figures, "since")
        wrong = Unequal(stored_ug=int(stored), sum_ug=int(sum_ug), figures=figures)
        windows.append(CheckedWindow(window=window, unequal=wrong if figures else None))
    row = connection.execute(_WINDOWS_DUE, {"source": source_id}).fetchone()
    if row is not None and row[0]:
        present = {entry.window for entry in windows}
        windows += [
            CheckedWindow(window=window, is_stored=False)
            for window in TOTALS
            if window not in present
        ]
    return sorted(windows, key=lambda entry: _PLACE[entry.window])

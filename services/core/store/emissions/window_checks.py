"""Finds rolling and to-date totals that are not the sum of their minutes, or not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from services.core.store.emissions.ledger_checks import Unequal, differing
from services.core.store.schema.figures import IN_WINDOWS, names, per_figure
from services.core.timeline.windows import ROLLING_MINUTES, TOTALS

_WINDOWS: LiteralString = f"""
SELECT r.span, r.co2_ug, t.co2_ug, r.upto - r.since, ARRAY[{
    per_figure(IN_WINDOWS, "r.{f} <> t.{f}")
}]
FROM rolling_total r CROSS JOIN LATERAL (
    SELECT {per_figure(IN_WINDOWS, "coalesce(sum({f.closed}), 0) AS {f}")}
    FROM minute_in_force m
    WHERE m.source_id = r.source_id AND m.minute BETWEEN r.since AND r.upto) t
WHERE r.source_id = %(source)s
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
      AND EXISTS (SELECT FROM emission_hour h WHERE h.source_id = s.id AND h.final)
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
    for window, stored, sum_ug, length, unequal in connection.execute(
        _WINDOWS, {"source": source_id}
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
    return windows

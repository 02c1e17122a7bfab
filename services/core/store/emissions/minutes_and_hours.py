"""Writes what the aggregator computed: minutes, and hours with their ledger.

Everything is kept by difference: a minute that changes by d changes its hour and every rolling
total it stands in by d. Figures are integers, so this is exact in any order, and the cost does not
depend on how long a window is or how much history there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from services.core.store.database.database_time import PRESENT
from services.core.store.emissions import cold_minutes, minute_rows
from services.core.store.emissions.hour_ledger import NEXT_VERSION, supersede
from services.core.store.emissions.hour_packing.months import open_for_writing
from services.core.store.emissions.hour_quality import hour_quality
from services.core.store.emissions.live_minutes import LiveMinutes
from services.core.store.emissions.minute_changes import CHANGES, Changes, SourceMinutes
from services.core.store.emissions.minute_rows import MinuteRows
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema.figures import IN_HOURS, per_figure

# How a row of an hour changes; ``d`` is one for each hour.
_HOURS: LiteralString = f"""
SELECT source_id, minute_start(minute) AS hour,
       {per_figure(f for f in IN_HOURS if not f.nullable)},
       CASE WHEN has_activity THEN activity_n END AS activity_n
FROM {CHANGES}
"""
_CHANGE_HOURS: LiteralString = f"""
INSERT INTO public.emission_hour AS h
    (source_id, hour, {per_figure(IN_HOURS)}, version, final, quality, reason, known_at, opened_at)
SELECT source_id, hour, {per_figure(IN_HOURS)}, 1, false,
       {hour_quality("covered_ms", "estimated_ms")}, 'open', {PRESENT}, {PRESENT}
FROM d
ON CONFLICT (source_id, hour) DO UPDATE
SET {per_figure(IN_HOURS, "{f} = coalesce(h.{f}, 0) + excluded.{f}")}, {NEXT_VERSION},
    quality = {
    hour_quality("h.covered_ms + excluded.covered_ms", "h.estimated_ms + excluded.estimated_ms")
}
"""
_CHANGE_CLOSED: LiteralString = f"""
WITH d AS ({_HOURS}), superseded AS (
    {supersede("public.emission_hour h JOIN d USING (source_id, hour)")}
), written AS ({_CHANGE_HOURS})
SELECT count(*) FROM superseded
"""
_CHANGE_OPEN: LiteralString = f"WITH d AS ({_HOURS}) {_CHANGE_HOURS}"


def record(
    connection: psycopg.Connection[Any],
    computed: Sequence[SourceMinutes],
    live: LiveMinutes | None = None,
    *,
    plan: FacilityPlan | None = None,
    pack_before: int = 0,
) -> Changes:
    """Write the minutes that differ from what is stored and return by how much they do.

    One that nothing is known of, and never was, is not written. ``live``: what is remembered of
    the newest ones. ``plan``: whose factors tell the masses of packed days. ``pack_before``: days
    before this one (since the epoch) that nothing is stored of are packed at once.
    """
    rows = MinuteRows.computed(computed)
    if not len(rows):
        return Changes.none()
    cold = cold_minutes.read(connection, rows.keys, plan, pack_before)
    warm = rows.keys if cold is None else rows.keys[~cold.holds(rows.keys)]
    before = (minute_rows.stored if live is None else live.read)(connection, warm)
    if cold is not None:
        before = before.with_newer(cold.rows())
    difference = rows.since(before)
    written = difference.written
    if cold is not None:
        inside = cold.holds(written.keys)
        cold_minutes.write(connection, cold, written.where(inside), plan)
        written = written.where(~inside)
    minute_rows.write(connection, written)
    if live is not None:
        live.remember(difference.stored)
    return difference.changes


def change_hours(
    connection: psycopg.Connection[Any], changes: Changes, reasons: Mapping[int, str]
) -> int:
    """Change the hours by their minutes' changes; return how many closed hours were restated.

    ``reasons`` by source: why, for those that were closed.
    """
    if not len(changes):
        return 0
    hours = changes.by_hour()
    # changes that cancel each other out change nothing
    hours = hours.where(hours.any_of(IN_HOURS))
    if not len(hours):
        return 0
    open_for_writing(connection, hours.columns["sources"], hours.columns["minutes"] // 60)
    parameters = {**hours.columns, "reasons": Jsonb(reasons)}
    if not reasons:
        connection.execute(_CHANGE_OPEN, parameters)
        return 0
    row = connection.execute(_CHANGE_CLOSED, parameters).fetchone()
    return int(row[0]) if row else 0

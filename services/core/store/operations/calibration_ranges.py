"""Monitors whose values lie beyond the valid range of their calibration, week by week."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.core.accounting.stack.calibration_range import WeekOfValues
from services.core.store.emissions.calibration_weeks import COUNTS, evaluate

#: Weeks with values beyond the range of the function that is in force ``now``, of monitors of one
#: ``facility``, None: of all.
MONITORS: Final = f"""
WITH monitor AS MATERIALIZED (
    SELECT f.slug AS facility, f.timezone, d.slug || '.' || c.slug AS name, i.role,
           s.id AS source_id, fn.since
    FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
    JOIN source_input i ON i.channel_id = c.id JOIN source s ON s.id = i.source_id
    CROSS JOIN LATERAL (
        SELECT max((x->>'valid_from')::timestamptz) AS since
        FROM jsonb_array_elements(CASE jsonb_typeof(c.spec->'calibration_functions')
            WHEN 'array' THEN c.spec->'calibration_functions' ELSE '[]' END) x
        WHERE (x->>'valid_from')::timestamptz <= %(now)s) fn
    WHERE fn.since IS NOT NULL AND s.active AND f.retired_at IS NULL
      AND f.slug = coalesce(%(facility)s::text, f.slug)
    ORDER BY 1, 3, 4 LIMIT 100
), week AS MATERIALIZED (
    SELECT DISTINCT m.*, date_trunc('week', h.hour AT TIME ZONE m.timezone)::date AS monday
    FROM monitor m JOIN source_hour_input h
      ON h.source_id = m.source_id AND h.role = m.role AND h.hour >= m.since
    WHERE h.beyond_calibration AND {COUNTS}
)
SELECT w.facility, w.timezone, w.name, w.source_id, w.since, w.monday, n.counted, n.beyond
FROM week w CROSS JOIN LATERAL (
    SELECT count(*) AS counted, count(*) FILTER (WHERE h.beyond_calibration) AS beyond
    FROM source_hour_input h
    WHERE h.source_id = w.source_id AND h.role = w.role
      AND h.hour >= greatest(w.since, w.monday::timestamp AT TIME ZONE w.timezone)
      AND h.hour < (w.monday + 7)::timestamp AT TIME ZONE w.timezone
      AND {COUNTS}) n
ORDER BY 1, 3, 4, 6
"""  # noqa: S608 - of constants


def sentences(rows: Iterable[Sequence[Any]], now: datetime) -> list[tuple[str, str, str]]:
    """Return code, facility and sentence of each monitor that needs a new calibration ``now``."""
    monitors: dict[tuple[str, str, str, int, datetime], list[WeekOfValues]] = {}
    for facility, timezone, name, source_id, since, monday, counted, beyond in rows:
        monitors.setdefault((facility, timezone, name, source_id, since), []).append(
            WeekOfValues(monday=monday, values=counted, beyond=beyond)
        )
    notices: dict[tuple[str, str, str], None] = {}
    for (facility, timezone, name, _, since), weeks in monitors.items():
        reached = evaluate(weeks, ZoneInfo(timezone), since=since, now=now)
        if reached.is_due:
            sentence = (
                f"{facility}: {name} needs a new calibration (QAL2 of EN 14181): {reached.reason};"
                " have it made, and add its function to calibration_functions"
            )
            notices["calibration-range", facility, sentence] = None
    return list(notices)

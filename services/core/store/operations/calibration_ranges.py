"""Monitors whose values lie beyond the valid range of their calibration, week by week."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.core.accounting.stack.calibration_range import WeekOfValues
from services.core.store.emissions.calibration_weeks import COUNTS, evaluate
from services.core.store.operations.notices import not_looked_at

#: Weeks with values beyond the range of the function that is in force ``now``, of monitors of one
#: ``facility``, None: of all. An input of an equation has a value an hour, a pollutant one for each
#: of its intervals. A last row counts the monitors beyond ``monitors``.
MONITORS: Final = f"""
WITH function AS MATERIALIZED (
    SELECT f.id AS facility_id, f.slug AS facility, f.timezone, c.id AS channel_id,
           d.slug || '.' || c.slug AS name, fn.since
    FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
    CROSS JOIN LATERAL (
        SELECT max((x->>'valid_from')::timestamptz) AS since
        FROM jsonb_array_elements(CASE jsonb_typeof(c.spec->'calibration_functions')
            WHEN 'array' THEN c.spec->'calibration_functions' ELSE '[]' END) x
        WHERE (x->>'valid_from')::timestamptz <= %(now)s) fn
    WHERE fn.since IS NOT NULL AND f.retired_at IS NULL
      AND f.slug = coalesce(%(facility)s::text, f.slug)
), monitor AS MATERIALIZED (
    SELECT x.*, count(*) OVER () AS of_all FROM (
    SELECT n.facility, n.timezone, n.name, s.id AS source_id, i.role AS measures, false AS pollutes,
           n.since
    FROM function n JOIN source_input i ON i.channel_id = n.channel_id
    JOIN source s ON s.id = i.source_id AND s.active
    UNION ALL
    SELECT n.facility, n.timezone, n.name, s.id, p->>'id', true, n.since
    FROM function n JOIN source s ON s.facility_id = n.facility_id AND s.active
    CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(s.spec->'pollutants')
        WHEN 'array' THEN s.spec->'pollutants' ELSE '[]' END) p
    WHERE p->>'concentration' = n.name) x
    ORDER BY 1, 3, 4, 5 LIMIT %(monitors)s
), counted AS NOT MATERIALIZED (
    SELECT h.source_id, h.role AS measures, false AS pollutes, h.hour AS starts,
           h.beyond_calibration
    FROM source_hour_input h WHERE {COUNTS}
    UNION ALL
    SELECT p.source_id, p.pollutant, true, p.starts, p.beyond_calibration
    FROM pollutant_mean p
    WHERE p.final AND p.valid AND p.operating_ms > 0 AND p.beyond_calibration IS NOT NULL
), week AS MATERIALIZED (
    SELECT DISTINCT m.*, date_trunc('week', v.starts AT TIME ZONE m.timezone)::date AS monday
    FROM monitor m JOIN counted v
      ON v.source_id = m.source_id AND v.measures = m.measures AND v.pollutes = m.pollutes
     AND v.starts >= m.since
    WHERE v.beyond_calibration
)
SELECT w.facility, w.timezone, w.name, w.source_id, w.since, w.monday, n.counted, n.beyond
FROM week w CROSS JOIN LATERAL (
    SELECT count(*) AS counted, count(*) FILTER (WHERE v.beyond_calibration) AS beyond
    FROM counted v
    WHERE v.source_id = w.source_id AND v.measures = w.measures AND v.pollutes = w.pollutes
      AND v.starts >= greatest(w.since, w.monday::timestamp AT TIME ZONE w.timezone)
      AND v.starts < (w.monday + 7)::timestamp AT TIME ZONE w.timezone) n
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, max(of_all) - %(monitors)s, NULL
FROM monitor HAVING max(of_all) > %(monitors)s
ORDER BY 1, 3, 4, 6
"""  # noqa: S608 - of constants


def sentences(rows: Iterable[Sequence[Any]], now: datetime) -> list[tuple[str, str, str]]:
    """Return code, facility and sentence of each monitor that needs a new calibration ``now``."""
    monitors: dict[tuple[str, str, str, int, datetime], list[WeekOfValues]] = {}
    notices: dict[tuple[str, str, str], None] = {}
    for facility, timezone, name, source_id, since, monday, counted, beyond in rows:
        if facility is None:
            notices["more-notices", "", not_looked_at(counted, "calibration ranges")] = None
            continue
        monitors.setdefault((facility, timezone, name, source_id, since), []).append(
            WeekOfValues(monday=monday, values=counted, beyond=beyond)
        )
    for (facility, timezone, name, _, since), weeks in monitors.items():
        reached = evaluate(weeks, ZoneInfo(timezone), since=since, now=now)
        if reached.is_due:
            sentence = (
                f"{facility}: {name} needs a new calibration (QAL2 of EN 14181): {reached.reason};"
                " have it made, and add its function to calibration_functions"
            )
            notices["calibration-range", facility, sentence] = None
    return list(notices)

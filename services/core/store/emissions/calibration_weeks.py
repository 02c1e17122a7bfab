"""The weeks of a monitor's averages, and how many lay beyond its valid calibration range."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import psycopg

from services.core.accounting.stack.calibration_range import RangeStanding, WeekOfValues, standing
from services.core.store.emissions import hour_inputs

#: An hour ``h`` that counts: its average was measured and is valid, the unit operated, and the
#: calibration of its monitor had a valid range.
COUNTS: LiteralString = "h.valid AND h.operating_ms > 0 AND h.beyond_calibration IS NOT NULL"

_WEEKS: LiteralString = """
SELECT date_trunc('week', h.hour AT TIME ZONE f.timezone)::date AS monday, count(*),
       count(*) FILTER (WHERE h.beyond_calibration)
FROM {inputs} h JOIN source s ON s.id = h.source_id JOIN facility f ON f.id = s.facility_id
WHERE h.source_id = %(source)s AND h.role = %(role)s AND h.hour >= %(since)s AND h.hour < %(until)s
  AND {counts}
GROUP BY 1 ORDER BY 1
"""


def evaluate(
    weeks: Iterable[WeekOfValues], zone: ZoneInfo, *, since: datetime, now: datetime
) -> RangeStanding:
    """Evaluate the weeks of a function that is in force since an instant, as at ``now``."""
    began = since.astimezone(zone)
    whole = began.date() if began.time() == time() else began.date() + timedelta(days=1)
    return standing(weeks, since=whole, through=now.astimezone(zone).date() - timedelta(days=1))


def weeks(
    connection: psycopg.Connection[Any],
    source_id: int,
    role: str,
    *,
    since: datetime,
    until: datetime,
    as_of: datetime | None = None,
) -> list[WeekOfValues]:
    """Read the weeks of an input's values from one instant to before another."""
    rows = connection.execute(
        _WEEKS.format(inputs=hour_inputs.inputs(then=as_of is not None), counts=COUNTS),
        {"source": source_id, "role": role, "since": since, "until": until, "as_of": as_of},
    )
    return [
        WeekOfValues(monday=monday, values=counted, beyond=beyond)
        for monday, counted, beyond in rows
    ]


def end_of_week(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return when the ISO week of an instant ends."""
    day = instant.astimezone(zone).date()
    monday = day - timedelta(days=day.weekday())
    return datetime.combine(monday + timedelta(weeks=1), time(), zone)

"""What of a factor by the hour an hour counted by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.rows import tuple_row

from services.core.accounting.factor_spans import FactorSpan, used
from services.core.accounting.hourly_factors import HOURLY, MEANS, NOTHING
from services.core.accounting.methods import ActivityMethod
from services.core.store.factor_series.methods import with_hours
from services.core.timeline.instants import to_minute

_VERSION: Final = """
SELECT known_at, recorded_at FROM factor_value
WHERE series_id = %(series)s AND hour = %(hour)s
  AND (%(as_of)s::timestamptz IS NULL OR recorded_at <= %(as_of)s)
ORDER BY known_at DESC, recorded_at DESC LIMIT 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesHour:
    """What an hour counted by."""

    #: ``hour``: its value; ``month`` or ``year``: a mean; else a factor. None: nothing holds
    used: str | None
    #: of the series, per its unit; None: another factor, or nothing, holds
    co2_kg: float | None
    #: of the hour's value: since when it could be known, and since when tonne knows it
    known_at: datetime | None
    recorded_at: datetime | None


def series_hour(
    connection: psycopg.Connection[Any],
    method: ActivityMethod,
    hour: datetime,
    as_of: datetime | None,
) -> tuple[SeriesHour, FactorSpan]:
    """Return what holds in ``hour`` (its start) of a method whose one factor is a series.

    With what it comes to for one unit of activity. ``as_of``: as known then; None: now.
    """
    (version,) = method.factor_spans
    assert version.series is not None  # noqa: S101 - the caller has looked
    minute = np.array([to_minute(hour)])
    given = with_hours(connection, {0: method}, minute // 60, as_of)[0]
    place = int(used(version.series, minute, given.hourly)[0])
    name = None if place == NOTHING else version.series.order[place]
    value = None
    if name in (HOURLY, *MEANS):
        value = float(given.hourly[version.series.series_id].kg_at(str(name), minute)[0])
    known_at, recorded_at = None, None
    if name == HOURLY:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(
                _VERSION, {"series": version.series.series_id, "hour": hour, "as_of": as_of}
            ).fetchone()
        known_at, recorded_at = row or (None, None)
    per_unit = given.per_unit(minute)
    applied = replace(
        version,
        co2_kg=float(per_unit.co2_kg[0]),
        co2e_kg=float(per_unit.co2e_kg[0]),
        co2_biogenic_kg=float(per_unit.co2_biogenic_kg[0]),
    )
    return (
        SeriesHour(used=name, co2_kg=value, known_at=known_at, recorded_at=recorded_at),
        applied,
    )

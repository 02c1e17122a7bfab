"""What a source measured hour by hour, as the shape of an amount that is known as a whole."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from services.core.store.emissions import hour_history
from services.core.store.packing import opened
from services.core.timeline.instants import HOUR_US, from_us, rfc3339, to_us

_SOURCE: Final = """
SELECT s.id FROM source s JOIN facility f ON f.id = s.facility_id WHERE f.slug = %s AND s.slug = %s
"""

_HOURS: Final = """
SELECT hour, activity_n / 1e9 FROM emission_hour
WHERE source_id = %s AND hour >= %s AND hour < %s AND covered_ms > 0 AND activity_n IS NOT NULL
"""


def hours(
    connection: psycopg.Connection[Any], facility: str, source: str, begin_us: int, end_us: int
) -> dict[int, float]:
    """Return the activity of a source by the hour that begins then, in microseconds.

    Hours are those of UTC that lie in a span of time at least in part.

    :raises ValueError: there is no such source, or an hour of it is not known.
    """
    row = connection.execute(_SOURCE, (facility, source)).fetchone()
    if row is None:
        raise ValueError(f"its profile is that of {source!r}, and {facility} has no such source")
    first_us, last_us = begin_us // HOUR_US * HOUR_US, -(-end_us // HOUR_US) * HOUR_US
    begins, ends = from_us(first_us), from_us(last_us)
    with opened.snapshot(connection):
        hour_history.open_span(connection, [row[0]], begins, ends)
        rows = connection.execute(_HOURS, (row[0], begins, ends)).fetchall()
    by_hour = {to_us(hour): float(activity) for hour, activity in rows}
    missing = [us for us in range(first_us, last_us, HOUR_US) if us not in by_hour]
    if missing:
        raise ValueError(
            f"its profile is that of {source}, of which {len(missing)} hours of the period are not"
            f" known, the first {rfc3339(from_us(missing[0]))}"
        )
    return by_hour

"""Where readings are in the archive alone: what writers may not touch, and what is not computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import psycopg

from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.intervals import Interval

#: Staged rows that nobody can take; arrival may move one on by up to a minute.
_SEALED: Final = """
DELETE FROM staged_reading s USING archived_span a
WHERE a.channel_id = s.channel_id
  AND s.ts + interval '1 minute' >= minute_start(1440 * a.first_day::int8)
  AND s.ts < minute_start(1440 * (a.last_day::int8 + 1))
RETURNING s.position
"""

#: The month to restore for a time that is sealed: its own, else the next one that has left.
_MONTHS: Final = """
SELECT c.id, f.slug, (
    SELECT min(a.month) FROM archive_file a
    WHERE a.facility_id = f.id AND a.removed_at IS NOT NULL
      AND a.month >= date_trunc('month', x.ts AT TIME ZONE 'UTC')::date)
FROM unnest(%s::int4[], %s::timestamptz[]) WITH ORDINALITY AS x(channel_id, ts, number)
JOIN channel c ON c.id = x.channel_id
JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
ORDER BY x.number
"""

_UNCOMPUTED: Final = """
SELECT channel_id, first_uncomputed, last_uncomputed FROM archived_span
WHERE last_uncomputed >= %s
"""

_AWAY: Final = """
SELECT max(least(a.last_uncomputed, %(last)s))
FROM archived_span a JOIN channel c ON c.id = a.channel_id
JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
WHERE f.slug = %(facility)s AND a.last_uncomputed >= %(first)s AND a.first_uncomputed <= %(last)s
"""


def take_sealed(connection: psycopg.Connection[Any]) -> list[int]:
    """Take those of the staged rows away that cannot be taken; return their positions, ascending.

    The caller keeps packers off (:mod:`..packing.days`), and with them whoever archives.
    """
    return sorted(position for (position,) in connection.execute(_SEALED))


def how_to_restore(
    connection: psycopg.Connection[Any], times: Sequence[tuple[int, datetime]]
) -> list[str]:
    """Return the command that makes room for a reading of each channel and time."""
    rows = connection.execute(
        _MONTHS, ([channel for channel, _ in times], [ts for _, ts in times])
    ).fetchall()
    return [
        f"tonne archive restore {facility} {month or ts:%Y-%m}"
        for (_, facility, month), (_, ts) in zip(rows, times, strict=True)
    ]


def last_day_away(
    connection: psycopg.Connection[Any], facility: str, first: int, last: int
) -> int | None:
    """Read the last of some days of a facility some of whose minutes cannot be computed."""
    row = connection.execute(_AWAY, {"facility": facility, "first": first, "last": last}).fetchone()
    return row[0] if row else None


def uncomputed(
    connection: psycopg.Connection[Any], since_minute: int
) -> Mapping[int, list[Interval]]:
    """Read where minutes from one on cannot be computed, by channel."""
    intervals: dict[int, list[Interval]] = {}
    for channel_id, first, last in connection.execute(_UNCOMPUTED, (since_minute // DAY_MINUTES,)):
        away = Interval(start=first * DAY_MINUTES, end=(last + 1) * DAY_MINUTES)
        intervals.setdefault(channel_id, []).append(away)
    return intervals

"""Reads what the dates of the ledger are held against: the clock, and when readings arrived."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg

from services.core.store.database.database_time import PRESENT
from services.core.store.emissions import hour_history
from services.core.store.readings import history
from services.core.timeline.instants import HOUR_US, from_us

#: A clock that is ahead by less is believed: as much as processes on several machines may be.
_SLACK: Final[LiteralString] = "interval '5 minutes'"

_IN_RANGE: Final[LiteralString] = (
    "source_id = %(source)s AND hour >= minute_start(60 * %(first)s)"
    " AND hour < minute_start(60 * (%(last)s + 1))"
)

_FUTURE: LiteralString = f"""
SELECT minute_of(hour) / 60, max(at) FROM (
    SELECT hour, greatest(known_at, opened_at) AS at FROM emission_hour WHERE {_IN_RANGE}
    UNION ALL
    SELECT hour, greatest(known_at, superseded_at) FROM emission_hour_history WHERE {_IN_RANGE}
    UNION ALL
    SELECT hour, known_at FROM source_hour_input WHERE {_IN_RANGE}
    UNION ALL
    SELECT hour, greatest(known_at, superseded_at) FROM source_hour_input_history
    WHERE {_IN_RANGE}) d
WHERE at > {PRESENT} + {_SLACK}
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - constants

# What was replaced or taken away changed the hour when that was done.
_ARRIVALS: LiteralString = """
SELECT minute_of(ts) / 60, max(at) FROM (
    SELECT ts, coalesce(known_at, received_at) AS at FROM reading
    WHERE channel_id = ANY(%(channels)s) AND ts >= minute_start(60 * %(first)s)
      AND ts < minute_start(60 * (%(last)s + 1))
    UNION ALL
    SELECT ts, corrected_at FROM reading_correction
    WHERE channel_id = ANY(%(channels)s) AND ts >= minute_start(60 * %(first)s)
      AND ts < minute_start(60 * (%(last)s + 1))
    UNION ALL
    SELECT ts, discarded_at FROM discarded_reading
    WHERE channel_id = ANY(%(channels)s) AND ts >= minute_start(60 * %(first)s)
      AND ts < minute_start(60 * (%(last)s + 1))) r
GROUP BY 1
"""

_BETWEEN = """
SELECT EXISTS (SELECT FROM emission_hour
               WHERE source_id = %(source)s AND known_at > %(after)s AND known_at < %(before)s)
"""


def in_the_future(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> Iterator[tuple[int, datetime]]:
    """Read hours (since the epoch, both included) with a date that is still to come."""
    hour_history.open_hours(connection, source_id, first, last)
    yield from connection.execute(_FUTURE, {"source": source_id, "first": first, "last": last})


def arrivals(
    connection: psycopg.Connection[Any], channels: Collection[int], first: int, last: int
) -> dict[int, datetime]:
    """Read when the last reading of each hour came to stand as it is, or was taken away."""
    begins, ends = from_us(first * HOUR_US), from_us((last + 1) * HOUR_US)
    history.open_span(connection, list(channels), begins, ends)
    rows = connection.execute(_ARRIVALS, {"channels": list(channels), "first": first, "last": last})
    return dict(rows.fetchall())


def were_hours_closed(
    connection: psycopg.Connection[Any], source_id: int, after: datetime, before: datetime
) -> bool:
    """Return whether any hour of the source came into force between two instants."""
    hour_history.open_known(connection, [source_id], after, before)
    row = connection.execute(
        _BETWEEN, {"source": source_id, "after": after, "before": before}
    ).fetchone()
    return bool(row and row[0])


def last_before(instants: Sequence[datetime], instant: datetime) -> datetime | None:
    """Return the newest of ascending instants that is not after one; None: there is none."""
    return next((cut for cut in reversed(instants) if cut <= instant), None)

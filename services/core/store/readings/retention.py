"""Drops raw readings by chunk, and says which minutes can still be computed from theirs.

The oldest chunk first, one at a time, so that a drop that is cut off has less to do the next time.
Each in two steps, so that no reading slips in between. First the horizon is raised: what is older
is refused from then on. When every transaction that may not have known it has ended, the chunks
below it are dropped. Of each channel the newest readings below stay, because what follows is
computed with them (see ``services.core.store.schema.ddl``). A packed row stays whole until the last
of its readings is older: of a channel with few readings it may begin a month before the horizon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import class_row

from services.core.store.database import locks
from services.core.store.readings.packing.days import keep_packers_off, open_days

# The end of the oldest chunk that is still whole, if it is old enough and ends before everything
# that is not settled.
_CANDIDATE = """
SELECT min(c.range_end) FROM timescaledb_information.chunks c
WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'reading'
  AND c.range_end <= %(before)s
  AND c.range_end > coalesce((SELECT horizon FROM reading_horizon), '-infinity')
  AND NOT EXISTS (SELECT FROM emission_hour h WHERE NOT h.final AND h.hour < c.range_end)
  AND NOT EXISTS (SELECT FROM recompute r
                  WHERE minute_start(r.from_minute) < c.range_end)
  AND NOT EXISTS (SELECT FROM touched t, unnest(t.minutes) AS m
                  WHERE minute_start(m) < c.range_end)
"""

_RAISE = """
INSERT INTO reading_horizon (id, horizon) VALUES (1, %s)
ON CONFLICT (id) DO UPDATE SET horizon = excluded.horizon, raised_at = now(), dropped_at = NULL
WHERE reading_horizon.horizon < excluded.horizon
"""

_UNARCHIVED = """
SELECT FROM channel c CROSS JOIN LATERAL (
    SELECT FROM packed_readings p
    WHERE p.channel_id = c.id AND p.last_ts < %s AND NOT p.archived
    ORDER BY p.day LIMIT 1) p
LIMIT 1
"""

_UNPACKED = """
SELECT FROM public.reading
WHERE ts >= coalesce((SELECT horizon FROM reading_horizon), '-infinity') AND ts < %s LIMIT 1
"""

_DROPPED = """
SELECT chunk, from_ts, to_ts, channels, readings FROM dropped_readings WHERE id > %s ORDER BY id
"""

_TAILS = "SELECT channel_id, day FROM packed_tails((SELECT horizon FROM reading_horizon))"

_FIRST_MINUTES = """
SELECT channel_id, minute_of(horizon) FROM channel_horizon
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DroppedChunk:
    """A chunk of raw readings that is gone, as it was recorded."""

    chunk: str
    from_ts: datetime
    to_ts: datetime
    channels: int
    readings: int


def horizon(connection: psycopg.Connection[Any]) -> datetime | None:
    """Read the instant before which no reading is taken any more; None: nothing was dropped."""
    row = connection.execute("SELECT horizon FROM reading_horizon").fetchone()
    return row[0] if row else None


class NotArchivedError(RuntimeError):
    """What is old enough to be dropped is not all in the archive."""


def raise_horizon(
    connection: psycopg.Connection[Any], before: datetime, *, archived_only: bool = False
) -> int | None:
    """Refuse from now on what lies before the oldest chunk's end that can go, at most ``before``.

    Returns what to give to :func:`may_drop` if there is anything to drop, else None. The connection
    is in autocommit mode: what is raised is known to all.

    :raises NotArchivedError: ``archived_only``, and the archive does not hold all of it.
    """
    row = connection.execute(_CANDIDATE, {"before": before}).fetchone()
    if row and row[0] is not None:
        if archived_only and not _is_archived(connection, row[0]):
            raise NotArchivedError
        connection.execute(_RAISE, (row[0],))
    row = connection.execute(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 FROM reading_horizon"
        " WHERE dropped_at IS NULL"
    ).fetchone()
    return int(row[0]) if row else None


def _is_archived(connection: psycopg.Connection[Any], until: datetime) -> bool:
    return not any(
        # planned anew: only a plan for this very time leaves other chunks out
        connection.execute(sql, (until,), prepare=False).fetchone() is not None
        for sql in (_UNARCHIVED, _UNPACKED)
    )


def may_drop(connection: psycopg.Connection[Any], raised: int) -> bool:
    """Return whether every transaction has ended that may not have known the horizon."""
    row = connection.execute(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8 >= %s", (raised,)
    ).fetchone()
    return bool(row and row[0])


def open_tails(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Open packed days that hold readings which are to stay, one at each step.

    A transaction for each: nobody waits for more than one. Nothing below the horizon is packed
    again.
    """
    for channel_id, day in connection.execute(_TAILS).fetchall():
        with connection.transaction():
            keep_packers_off(connection, [channel_id])
            open_days(connection, np.array([channel_id]), np.array([day]))
        yield


def drop(connection: psycopg.Connection[Any], retention: str) -> list[DroppedChunk]:
    """Drop the chunks below the horizon and record each; ``retention`` is the setting's value.

    Nothing is dropped while anything below the horizon waits to be computed or closed, or is packed
    that has to stay (:func:`open_tails`).
    """
    with connection.transaction(), connection.cursor(row_factory=class_row(DroppedChunk)) as cursor:
        free = connection.execute(
            "SELECT pg_try_advisory_xact_lock(%s)", (locks.RETENTION,)
        ).fetchone()
        if not (free and free[0]):
            return []
        last = connection.execute("SELECT coalesce(max(id), 0) FROM dropped_readings").fetchone()
        connection.execute("SELECT drop_readings(%s)", (retention,))
        return cursor.execute(_DROPPED, (last[0] if last else 0,)).fetchall()


def first_minutes(connection: psycopg.Connection[Any]) -> dict[int, int]:
    """Read the first minute (since the epoch) that all readings are there of, by channel.

    Only of channels that lost readings.
    """
    return dict(connection.execute(_FIRST_MINUTES).fetchall())

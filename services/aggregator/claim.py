"""Take the work of one facility: one aggregator at a time, in order.

The advisory lock ends with the transaction, so a killed aggregator gives it back at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from psycopg.rows import class_row

from services.aggregator.invalidations import Touched
from services.core.store.database import locks
from services.core.store.database.arrays import loaded

#: Rows of touched pairs that are claimed in one tick.
_MOST_ROWS = 512

# What has a reason of its own comes first and alone: a minute that late readings touched too must
# not be computed under theirs, for the corrected value is stored already.
_CLAIM = """
DELETE FROM touched WHERE id IN (
    SELECT id FROM (
        SELECT id, sum(cardinality(minutes)) OVER (ORDER BY id) - cardinality(minutes) AS before
        FROM touched
        WHERE facility_id = %(facility)s AND reason IS NOT DISTINCT FROM (
            SELECT reason FROM touched
            WHERE facility_id = %(facility)s AND reason IS NOT NULL ORDER BY id LIMIT 1)
        ORDER BY id LIMIT %(rows)s) q
    WHERE before < %(most)s)
RETURNING array_send(channel_ids), array_send(minutes),
          array_send(coalesce(seconds, array_fill(0::int2, ARRAY[cardinality(minutes)]))), reason
"""

#: Aggregators that share a database are less far from each other.
_SLACK_S: Final = 180

#: Whether a facility's progress lies in the future.
IS_AHEAD: LiteralString = f"""
greatest(p.carried_to, p.rolled_to, p.judged_to)
    > %(now)s::timestamptz + interval '{_SLACK_S} seconds'
"""

_WAITING: LiteralString = f"""
SELECT p.facility_id, p.sequence,
       abs(extract(epoch FROM clock_timestamp() - p.changed_at))::float8 AS idle_s
FROM facility_progress p JOIN facility f ON f.id = p.facility_id
WHERE EXISTS (SELECT FROM touched t WHERE t.facility_id = p.facility_id)
   OR EXISTS (SELECT FROM recompute r WHERE r.facility_id = p.facility_id)
   OR EXISTS (SELECT FROM following_minutes m WHERE m.facility_id = p.facility_id)
   OR NOT coalesce(p.settled_at >= f.retired_at, false) AND (
      p.hours_wait OR p.carried_to IS NULL
      OR p.carried_to < date_trunc('minute', %(now)s::timestamptz)
      OR p.rolled_to IS NULL
      OR {IS_AHEAD}
      OR p.rolled_to < date_trunc(
          'minute', %(now)s::timestamptz - make_interval(secs => (p.facility_id - 1) * 37 %% 60)))
ORDER BY p.changed_at
"""  # noqa: S608 - a condition of this module


@dataclass(frozen=True, kw_only=True, slots=True)
class RecomputeSpan:
    """Minutes of a source to compute again; both ends included."""

    source_id: int
    first_minute: int
    last_minute: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A facility that has work."""

    facility_id: int
    #: as the last tick left it
    sequence: int
    #: seconds since that tick
    idle_s: float


def windows_minute(facility_id: int, now: datetime) -> int:
    """Return the minute to which the facility's windows are due to be moved.

    Each facility's are moved at another second, so that they do not all want to be at once.
    """
    return (int(now.timestamp()) - (facility_id - 1) * 37 % 60) // 60


def waiting(connection: psycopg.Connection[Any], now: datetime) -> list[Waiting]:
    """Return the facilities that have work, those first that were last seen to long ago.

    Each has work when a minute begins, and when its windows are due (:func:`windows_minute`), until
    one aggregator has done it. One that is retired, and all closed, has work only where something
    of its history changes.
    """
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(_WAITING, {"now": now}).fetchall()


def lock(
    connection: psycopg.Connection[Any], facility_id: int, dated: datetime | None = None
) -> bool:
    """Take the facility for this transaction; False if another aggregator has it.

    ``dated``: the time that is believed, by which the ledger is dated should the database's clock
    say something else.
    """
    row = connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s), set_config('tonne.now', %s, true)",
        (locks.FACILITY, facility_id, "" if dated is None else str(dated.timestamp())),
    ).fetchone()
    return bool(row and row[0])


def touched(
    connection: psycopg.Connection[Any], facility_id: int, most_pairs: int
) -> Touched | None:
    """Take the oldest touched pairs of one reason; None if nothing is touched.

    About ``most_pairs`` of them, whole rows, one at least.
    """
    rows = connection.execute(
        _CLAIM, {"facility": facility_id, "most": most_pairs, "rows": _MOST_ROWS}, binary=True
    ).fetchall()
    if not rows:
        return None
    *sent, reasons = zip(*rows, strict=True)
    channels, minutes, seconds = (
        np.concatenate([loaded(each, element) for each in column]).astype(np.int64)
        for column, element in zip(sent, (">i4", ">i4", ">i2"), strict=True)
    )
    return Touched.pairs(
        channels,
        minutes,
        seconds,
        reasons[0],
        more=channels.size >= most_pairs or len(rows) >= _MOST_ROWS,
    )


def recompute_span(
    connection: psycopg.Connection[Any],
    facility_id: int,
    most_minutes: int,
    *,
    but: Collection[int] = (),
) -> RecomputeSpan | None:
    """Take the next ``most_minutes`` of the oldest queued recomputation, None if none is queued.

    ``but``: sources that are left alone.
    """
    row = connection.execute(
        "SELECT id, source_id, from_minute, to_minute, reason FROM recompute"
        " WHERE facility_id = %s AND step = 'readings' AND source_id <> ALL(%s)"
        " ORDER BY id LIMIT 1 FOR UPDATE",
        (facility_id, list(but)),
    ).fetchone()
    if row is None:
        return None
    queue_id, source_id, first, end, reason = row
    upto = min(end, first + most_minutes)
    if upto == end:
        connection.execute("DELETE FROM recompute WHERE id = %s", (queue_id,))
    else:
        connection.execute("UPDATE recompute SET from_minute = %s WHERE id = %s", (upto, queue_id))
    return RecomputeSpan(
        source_id=source_id, first_minute=first, last_minute=upto - 1, reason=reason
    )

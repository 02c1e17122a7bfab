"""Takes the work of one facility: one aggregator at a time, in order.

The advisory lock ends with the transaction, so a killed aggregator gives it back at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database import locks
from services.core.store.database.arrays import loaded
from services.core.store.emissions.queued_minutes import QueuedMinutes
from services.core.timeline.intervals import Interval, whole_days

#: Rows of touched pairs that are claimed in one tick.
_MAX_ROWS = 512

# What has a reason of its own comes first and alone: a minute that late readings touched too must
# not be computed under theirs, for the corrected value is stored already. Of the others the live
# ones: history may come in faster than it is claimed.
_CLAIM = """
DELETE FROM touched WHERE id IN (
    SELECT id FROM (
        SELECT id, sum(cardinality(minutes)) OVER (ORDER BY live DESC, id)
                   - cardinality(minutes) AS before
        FROM touched
        WHERE facility_id = %(facility)s AND reason IS NOT DISTINCT FROM (
            SELECT reason FROM touched
            WHERE facility_id = %(facility)s AND reason IS NOT NULL ORDER BY id LIMIT 1)
        ORDER BY live DESC, id LIMIT %(rows)s) q
    WHERE before < %(limit)s)
RETURNING array_send(channel_ids), array_send(minutes),
          array_send(coalesce(seconds, array_fill(0::int2, ARRAY[cardinality(minutes)]))), reason,
          committed_at
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedPairs:
    """Element i of each: a channel, a minute, and the second of it at which its changes begin.

    In any order, some of them twice.
    """

    channels: NDArray[np.int64]
    minutes: NDArray[np.int64]
    seconds: NDArray[np.int64]
    #: why, and who caused it; None: readings arrived
    reason: str | None
    #: there may be more than was claimed
    more: bool
    #: since when the oldest of them has been waiting
    since: datetime


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


def backlog(connection: psycopg.Connection[Any]) -> int:
    """Count the committed batches of all facilities that nobody has claimed."""
    row = connection.execute("SELECT count(*) FROM touched").fetchone()
    return int(row[0]) if row else 0


def pairs(
    connection: psycopg.Connection[Any], facility_id: int, max_pairs: int
) -> ClaimedPairs | None:
    """Take invalidated pairs of one reason, live ones first; None if there are none.

    About ``max_pairs`` of them, whole rows, one at least.
    """
    rows = connection.execute(
        _CLAIM, {"facility": facility_id, "limit": max_pairs, "rows": _MAX_ROWS}, binary=True
    ).fetchall()
    if not rows:
        return None
    *sent, reasons, committed = zip(*rows, strict=True)
    channels, minutes, seconds = (
        np.concatenate([loaded(part, element) for part in column]).astype(np.int64)
        for column, element in zip(sent, (">i4", ">i4", ">i2"), strict=True)
    )
    return ClaimedPairs(
        channels=channels,
        minutes=minutes,
        seconds=seconds,
        reason=reasons[0],
        more=channels.size >= max_pairs or len(rows) >= _MAX_ROWS,
        since=min(committed),
    )


def requested(
    connection: psycopg.Connection[Any],
    facility_id: int,
    max_minutes: int,
    current_minute: int,
    *,
    but: Collection[int] = (),
    oldest_first: Collection[int] = (),
    packed_before: int = 0,
) -> QueuedMinutes | None:
    """Take the next ``max_minutes`` of the oldest queued recomputation, None if none is queued.

    The newest first, whole hours of them: they are what people look at, and the years before take
    their time. Those after ``current_minute`` are computed when they are there. ``oldest_first``:
    sources of which an hour may depend on those before it, so that it is computed once. ``but``:
    sources that are left alone. ``packed_before``: minutes before this one are packed, by day.
    """
    row = connection.execute(
        "SELECT id, source_id, from_minute, to_minute, reason FROM recompute"
        " WHERE facility_id = %s AND step = 'readings' AND source_id <> ALL(%s)"
        " ORDER BY id LIMIT 1 FOR UPDATE",
        (facility_id, list(but)),
    ).fetchone()
    if row is None:
        return None
    queue_id, source_id, start, end, reason = row
    end = min(end, max(start, current_minute) + 1)
    if source_id in oldest_first:
        taken = Interval(start=start, end=min(end, start + max_minutes))
        rest = Interval(start=taken.end, end=end)
    else:
        first = min(-(-(end - max_minutes) // 60), (end - 1) // 60) * 60
        if start < first < packed_before:
            # each day is packed once
            first = whole_days(first, end)
        taken = Interval(start=max(start, first), end=end)
        rest = Interval(start=start, end=taken.start)
    if rest.start >= rest.end:
        connection.execute("DELETE FROM recompute WHERE id = %s", (queue_id,))
    else:
        connection.execute(
            "UPDATE recompute SET from_minute = %s, to_minute = %s WHERE id = %s",
            (rest.start, rest.end, queue_id),
        )
    return QueuedMinutes(source_id=source_id, interval=taken, reason=reason)

"""Minutes that did not fit into a tick: queued with their reason, computed in later ones.

They stand in ``recompute`` as step ``rest``, so that whatever waits for what is to be computed
waits for them too. Of one source and reason no two intervals overlap or lie close together. The
newest come first, and no hour is made final before it is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from services.core.store.emissions.queued_minutes import QueuedMinutes
from services.core.timeline.intervals import Interval, bounds, whole_days

#: Intervals of one source and reason that lie this close are one.
JOIN_MINUTES = 60

#: Rows looked at for one piece: many small ones are computed together.
_MAX_ROWS = 500

_NEAR = """
DELETE FROM recompute r
USING (SELECT source_id, reason, min(starts) AS starts, max(ends) AS ends
       FROM unnest(%(sources)s::int4[], %(starts)s::int4[], %(ends)s::int4[], %(reasons)s::text[])
            AS x(source_id, starts, ends, reason)
       GROUP BY 1, 2) x
WHERE r.facility_id = %(facility)s AND r.step = 'rest' AND r.source_id = x.source_id
  AND r.reason = x.reason
  AND r.to_minute >= x.starts - %(join)s AND r.from_minute <= x.ends + %(join)s
RETURNING r.source_id, r.from_minute, r.to_minute, r.reason, r.requested_at
"""

_PUT = """
INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, requested_at, step)
SELECT %(facility)s, source_id, starts, ends, reason, coalesce(since, known_now()), 'rest'
FROM unnest(%(sources)s::int4[], %(starts)s::int4[], %(ends)s::int4[], %(reasons)s::text[],
            %(since)s::timestamptz[])
     AS x(source_id, starts, ends, reason, since)
"""

_NEWEST = """
SELECT id, source_id, from_minute, to_minute, reason FROM recompute
WHERE facility_id = %(facility)s AND step = 'rest' AND source_id <> ALL(%(but)s)
ORDER BY to_minute DESC, id LIMIT %(rows)s
"""

# What waits already keeps its reason: it is what changed the minute first.
_REASONS = """
SELECT DISTINCT ON (r.source_id) r.source_id, r.reason
FROM recompute r
JOIN unnest(%(sources)s::int4[], %(starts)s::int4[], %(ends)s::int4[]) AS x(source_id, starts, ends)
  ON x.source_id = r.source_id AND r.from_minute < x.ends AND r.to_minute > x.starts
WHERE r.facility_id = %(facility)s AND r.step = 'rest'
ORDER BY r.source_id, r.id
"""


_WAITING = "SELECT coalesce(sum(to_minute - from_minute), 0) FROM recompute WHERE step = 'rest'"


def put(
    connection: psycopg.Connection[Any], facility_id: int, minutes: Sequence[QueuedMinutes]
) -> None:
    """Queue the minutes, joined with what waits for the same reason."""
    if not minutes:
        return
    near = connection.execute(
        _NEAR, {"facility": facility_id, "join": JOIN_MINUTES, **_columns(minutes)}
    )
    queued = [
        QueuedMinutes(
            source_id=source, interval=Interval(start=start, end=end), reason=reason, since=since
        )
        for source, start, end, reason, since in near
    ]
    joined = _joined([*minutes, *queued])
    connection.execute(
        _PUT,
        {
            "facility": facility_id,
            **_columns(joined),
            "since": [piece.since for piece in joined],
        },
    )


def take(
    connection: psycopg.Connection[Any],
    facility_id: int,
    max_minutes: int,
    *,
    but: Collection[int] = (),
    packed_before: int = 0,
) -> list[QueuedMinutes]:
    """Take the newest ``max_minutes`` off the queue, whole hours; each source for one reason.

    Before the minute ``packed_before`` whole days, for each is packed once. At least an hour is
    taken if anything waits, or there a day. ``but``: sources that are left where they are.
    """
    rows = connection.execute(
        _NEWEST, {"facility": facility_id, "but": list(but), "rows": _MAX_ROWS}
    ).fetchall()
    left, taken = max_minutes, list[QueuedMinutes]()
    gone, shorter = list[int](), dict[int, int]()
    reasons: dict[int, str] = {}
    for row_id, source_id, start, end, reason in rows:
        if reasons.setdefault(source_id, reason) != reason:
            continue
        begin = max(start, -(-(end - left) // 60) * 60)
        if begin >= end:
            if taken:
                break
            begin = max(start, (end - 1) // 60 * 60)
        if start < begin < packed_before:
            midnight = whole_days(begin, end)
            if midnight < begin and taken:
                break
            begin = max(start, midnight)
        interval = Interval(start=begin, end=end)
        taken.append(QueuedMinutes(source_id=source_id, interval=interval, reason=reason))
        left -= interval.minutes
        if begin > start:
            shorter[row_id] = begin
            break
        gone.append(row_id)
    if gone:
        connection.execute("DELETE FROM recompute WHERE id = ANY(%s)", (gone,))
    for row_id, end in shorter.items():
        connection.execute("UPDATE recompute SET to_minute = %s WHERE id = %s", (end, row_id))
    return taken


def waiting_minutes(connection: psycopg.Connection[Any]) -> int:
    """Count the source minutes of all facilities that wait."""
    row = connection.execute(_WAITING).fetchone()
    return int(row[0]) if row else 0


def reasons(
    connection: psycopg.Connection[Any],
    facility_id: int,
    intervals: Mapping[int, Sequence[Interval]],
) -> dict[int, str]:
    """Read why minutes of the intervals (by source) wait already, by source."""
    wanted = [
        QueuedMinutes(source_id=source_id, interval=interval, reason="")
        for source_id, of_source in intervals.items()
        for interval in of_source
    ]
    columns = _columns(wanted)
    return dict(connection.execute(_REASONS, {"facility": facility_id, **columns}).fetchall())


def _joined(minutes: Sequence[QueuedMinutes]) -> list[QueuedMinutes]:
    joined: list[QueuedMinutes] = []
    for piece in sorted(minutes, key=lambda m: (m.source_id, m.reason, m.interval.start)):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.source_id, last.reason) == (piece.source_id, piece.reason)
            and piece.interval.start <= last.interval.end + JOIN_MINUTES
        ):
            joined[-1] = replace(
                last,
                interval=bounds((last.interval, piece.interval)),
                since=min(filter(None, (last.since, piece.since)), default=None),
            )
        else:
            joined.append(piece)
    return joined


def _columns(minutes: Sequence[QueuedMinutes]) -> dict[str, list[Any]]:
    return {
        "sources": [row.source_id for row in minutes],
        "starts": [row.interval.start for row in minutes],
        "ends": [row.interval.end for row in minutes],
        "reasons": [row.reason for row in minutes],
    }

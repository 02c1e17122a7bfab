"""Minutes that did not fit into a tick: queued with their reason, computed in later ones.

They stand in ``recompute`` as step ``rest``, so that whatever waits for what is to be computed
waits for them too. Of one source and reason no two spans overlap or lie close together. The newest
come first, and no hour is made final before it is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

#: Spans of one source and reason that lie this close are one.
JOIN_MINUTES = 60

#: Rows looked at for one piece: many small ones are computed together.
_MOST_ROWS = 500

_NEAR = """
DELETE FROM recompute r
USING (SELECT source_id, reason, min(first) AS first, max(stop) AS stop
       FROM unnest(%(sources)s::int4[], %(firsts)s::int4[], %(stops)s::int4[], %(reasons)s::text[])
            AS x(source_id, first, stop, reason)
       GROUP BY 1, 2) x
WHERE r.facility_id = %(facility)s AND r.step = 'rest' AND r.source_id = x.source_id
  AND r.reason = x.reason
  AND r.to_minute >= x.first - %(join)s AND r.from_minute <= x.stop + %(join)s
RETURNING r.source_id, r.from_minute, r.to_minute, r.reason
"""

_PUT = """
INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, step)
SELECT %s, source_id, first, stop, reason, 'rest'
FROM unnest(%s::int4[], %s::int4[], %s::int4[], %s::text[]) AS x(source_id, first, stop, reason)
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
JOIN unnest(%(sources)s::int4[], %(firsts)s::int4[], %(stops)s::int4[]) AS x(source_id, first, stop)
  ON x.source_id = r.source_id AND r.from_minute < x.stop AND r.to_minute > x.first
WHERE r.facility_id = %(facility)s AND r.step = 'rest'
ORDER BY r.source_id, r.id
"""


_WAITING = "SELECT coalesce(sum(to_minute - from_minute), 0) FROM recompute WHERE step = 'rest'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Minutes of a source since the epoch, ``stop`` exclusive, and why they are computed."""

    source_id: int
    first: int
    stop: int
    reason: str


def put(connection: psycopg.Connection[Any], facility_id: int, spans: Sequence[Span]) -> None:
    """Queue the spans, joined with what waits for the same reason."""
    if not spans:
        return
    near = connection.execute(
        _NEAR, {"facility": facility_id, "join": JOIN_MINUTES, **_columns(spans)}
    ).fetchall()
    found = [Span(source_id=s, first=f, stop=t, reason=r) for s, f, t, r in near]
    joined = _columns(_joined([*spans, *found]))
    connection.execute(
        _PUT,
        (facility_id, joined["sources"], joined["firsts"], joined["stops"], joined["reasons"]),
    )


def take(
    connection: psycopg.Connection[Any],
    facility_id: int,
    most_minutes: int,
    *,
    but: Collection[int] = (),
) -> list[Span]:
    """Take the newest ``most_minutes`` off the queue, whole hours; each source for one reason.

    ``but``: sources that are left where they are. At least an hour is taken if anything waits.
    """
    rows = connection.execute(
        _NEWEST, {"facility": facility_id, "but": list(but), "rows": _MOST_ROWS}
    ).fetchall()
    left, taken = most_minutes, list[Span]()
    gone, shorter = list[int](), dict[int, int]()
    reasons: dict[int, str] = {}
    for row_id, source_id, first, stop, reason in rows:
        if reasons.setdefault(source_id, reason) != reason:
            continue
        begin = max(first, -(-(stop - left) // 60) * 60)
        if begin >= stop:
            if taken:
                break
            begin = max(first, (stop - 1) // 60 * 60)
        taken.append(Span(source_id=source_id, first=begin, stop=stop, reason=reason))
        left -= stop - begin
        if begin > first:
            shorter[row_id] = begin
            break
        gone.append(row_id)
    if gone:
        connection.execute("DELETE FROM recompute WHERE id = ANY(%s)", (gone,))
    for row_id, stop in shorter.items():
        connection.execute("UPDATE recompute SET to_minute = %s WHERE id = %s", (stop, row_id))
    return taken


def waiting_minutes(connection: psycopg.Connection[Any]) -> int:
    """How many source minutes of all facilities wait."""
    row = connection.execute(_WAITING).fetchone()
    return int(row[0]) if row else 0


def reasons(
    connection: psycopg.Connection[Any],
    facility_id: int,
    ranges: Mapping[int, Sequence[tuple[int, int]]],
) -> dict[int, str]:
    """Why minutes of the ranges (both ends included, by source) wait already, by source."""
    spans = [
        Span(source_id=source_id, first=first, stop=last + 1, reason="")
        for source_id, of_source in ranges.items()
        for first, last in of_source
    ]
    columns = _columns(spans)
    return dict(connection.execute(_REASONS, {"facility": facility_id, **columns}).fetchall())


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.source_id, s.reason, s.first)):
        last = found[-1] if found else None
        if (
            last is not None
            and (last.source_id, last.reason) == (span.source_id, span.reason)
            and span.first <= last.stop + JOIN_MINUTES
        ):
            found[-1] = Span(
                source_id=last.source_id,
                first=last.first,
                stop=max(last.stop, span.stop),
                reason=last.reason,
            )
        else:
            found.append(span)
    return found


def _columns(spans: Sequence[Span]) -> dict[str, list[Any]]:
    return {
        "sources": [span.source_id for span in spans],
        "firsts": [span.first for span in spans],
        "stops": [span.stop for span in spans],
        "reasons": [span.reason for span in spans],
    }

"""The sources that count by a series, and what has them computed again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from sqlalchemy import Connection, func, select

from services.core.accounting.hourly_factors import Hours
from services.core.store.database import locks, notify
from services.core.store.factor_series.changed_hours import ChangedHours
from services.core.store.factor_series.names import Series
from services.core.store.schema import restatement_reasons as why
from services.core.store.schema.tables import factor

#: Of one request; where more runs of hours change, all between them is computed again.
_MAX_RUNS: Final = 100

#: So many hours are not looked up before they are computed again.
_FEW_HOURS: Final = 48

_USERS: LiteralString = """
SELECT s.id, s.facility_id FROM source s
WHERE (s.spec ->> 'factor' = %(slug)s OR s.spec ->> 'market_factor' = %(slug)s)
  AND (s.facility_id = %(facility)s OR %(facility)s::int4 IS NULL AND NOT EXISTS (
      SELECT FROM factor f
      WHERE f.facility_id = s.facility_id AND f.slug = %(slug)s AND f.known_to IS NULL))
ORDER BY s.id
"""

# The newest hours first: a value of today may change the mean of its year so far, and what all
# months without values count by. A source's requests are met in the order of their ids.
_QUEUE: LiteralString = """
INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, step)
SELECT s.facility_id, s.source_id, greatest(r.begins, s.first), least(r.ends, s.stop),
       %(reason)s, r.step
FROM unnest(%(facilities)s::int4[], %(sources)s::int4[], %(firsts)s::int4[], %(stops)s::int4[])
    AS s(facility_id, source_id, first, stop)
CROSS JOIN unnest(%(begins)s::int4[], %(ends)s::int4[], %(steps)s::text[]) AS r(begins, ends, step)
WHERE greatest(r.begins, s.first) < least(r.ends, s.stop)
ORDER BY s.source_id, r.begins DESC
"""

# Of minutes that no factor was known for there are readings, or a log of events, and no hours.
_BOUNDS: LiteralString = """
SELECT s.id, minute_of(b.first), minute_of(b.last)
FROM unnest(%(sources)s::int4[]) AS s(id)
CROSS JOIN LATERAL (
    SELECT min(first) AS first, max(last) AS last
    FROM (SELECT min(hour) AS first, max(hour) + interval '1 hour' AS last FROM emission_hour
          WHERE source_id = s.id
          UNION ALL
          SELECT min(first_hour), max(last_hour) + interval '1 hour' FROM packed_hours
          WHERE source_id = s.id
          UNION ALL
          SELECT least(r.first, p.first, (c.spec ->> 'since')::timestamptz) - interval '1 day',
                 CASE WHEN c.spec ? 'since' THEN known_now() ELSE greatest(r.last, p.last) END
                 + interval '1 day'
          FROM source_input i JOIN channel c ON c.id = i.channel_id
          CROSS JOIN LATERAL (SELECT min(ts) AS first, max(ts) AS last FROM reading
                              WHERE channel_id = c.id) r
          CROSS JOIN LATERAL (SELECT min(first_ts) AS first, max(last_ts) AS last
                              FROM packed_readings WHERE channel_id = c.id) p
          WHERE i.source_id = s.id) q) b
WHERE b.first IS NOT NULL
"""

_HOLD_REGISTRY: LiteralString = "SELECT pg_advisory_xact_lock_shared(%(registry)s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Users:
    """Sources that count by a series, each with its facility."""

    sources: Sequence[int]
    facilities: Sequence[int]


def hold_registry(connection: Connection) -> None:
    """Let sources and factors stay as they are until the transaction ends."""
    connection.exec_driver_sql(_HOLD_REGISTRY, {"registry": locks.REGISTRY})


def hold_users(connection: Connection, series: Sequence[Series]) -> dict[int, Users]:
    """Read the sources that count by each series, or did; nothing is computed of them meanwhile.

    What is computed at this moment, with the values of before, is known when this returns.
    """
    counting = {one.id: _users(connection, one) for one in series}
    locks.hold_facilities(connection, (f for users in counting.values() for f in users.facilities))
    return counting


def _users(connection: Connection, series: Series) -> Users:
    rows = connection.exec_driver_sql(
        _USERS, {"slug": series.slug, "facility": series.facility_id}
    ).all()
    return Users(sources=[row[0] for row in rows], facilities=[row[1] for row in rows])


def orders(connection: Connection, series: Series) -> list[tuple[str, ...]]:
    """Read the orders of fallbacks that versions of the factor in force state."""
    rows = connection.execute(
        select(factor.c.fallback)
        .distinct()
        .where(
            factor.c.slug == series.slug,
            factor.c.facility_id.is_not_distinct_from(series.facility_id),
            factor.c.known_to.is_(None),
            factor.c.fallback.is_not(None),
        )
    )
    return [tuple(row.fallback.split()) for row in rows]


def queue(
    connection: Connection, series: Series, counting: Users, changed: ChangedHours, cause: str
) -> int:
    """Have the sources computed again for the hours; return how many requests were made."""
    begins, ends, steps = _runs(changed)
    if not steps:
        return 0
    facilities, bounds = _bounds(connection, counting, int(ends[-1] - begins[0]))
    parameters = {
        "facilities": facilities,
        "sources": [source_id for source_id, _, _ in bounds],
        "firsts": [first for _, first, _ in bounds],
        "stops": [stop for _, _, stop in bounds],
        "begins": (begins * 60).tolist(),
        "ends": (ends * 60).tolist(),
        "steps": steps,
        "reason": why.reason(why.FACTOR_VERSION, f"{series.slug}, {cause}"),
    }
    made = connection.exec_driver_sql(_QUEUE, parameters).rowcount
    for facility_id in dict.fromkeys(facilities) if made else ():
        connection.execute(select(func.pg_notify(notify.INVALIDATED, str(facility_id))))
    return made


def _bounds(
    connection: Connection, counting: Users, hours: int
) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Return the sources that anything may be known of in so many hours, with their facilities.

    Each with its first minute and the one after the last. A few hours are cheaper to compute than
    to look up.
    """
    facility_of = dict(zip(counting.sources, counting.facilities, strict=True))
    if hours <= _FEW_HOURS:
        stop = int(time.time()) // 3600 * 60 + 60
        bounds = [(source_id, 0, stop) for source_id in counting.sources]
    else:
        rows = connection.exec_driver_sql(_BOUNDS, {"sources": list(counting.sources)})
        bounds = [(row[0], row[1], row[2]) for row in rows]
    return [facility_of[source_id] for source_id, _, _ in bounds], bounds


def _runs(changed: ChangedHours) -> tuple[Hours, Hours, list[str]]:
    """Return the runs to be computed again, and how."""
    steps = ["factor" if only else "readings" for only in changed.figures_only.tolist()]
    if changed.begins.size <= _MAX_RUNS:
        return changed.begins, changed.ends, steps
    step = "factor" if changed.figures_only.all() else "readings"
    return changed.begins[:1], changed.ends[-1:], [step]

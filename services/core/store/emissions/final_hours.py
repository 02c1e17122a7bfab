"""Reads hours that are in force, and what of them is about to change, for a second computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from services.core.store.database.database_time import PRESENT
from services.core.store.emissions import hour_history
from services.core.store.readings import history
from services.core.store.schema.figures import CHECKED, IN_HOURS, names, per_figure
from services.core.timeline.instants import HOUR_US, from_us
from services.core.timeline.intervals import Interval

_HOUR = "minute_of(h.hour) / 60"

_SOURCES = """
SELECT f.id AS facility_id, f.slug AS facility, f.timezone, s.id AS source_id, s.slug AS source,
       coalesce(s.spec ->> 'name', s.slug) AS source_name,
       CASE WHEN NOT s.active
            THEN minute_of(s.retired_at) / 60 END AS retired_hour
FROM source s JOIN facility f ON f.id = s.facility_id
WHERE (%(facilities)s::text[] IS NULL OR f.slug = ANY(%(facilities)s))
  AND NOT EXISTS (SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
ORDER BY f.slug, s.slug
"""

# Whatever is left of an hour tells of it, were it one row alone.
_BOUNDS: LiteralString = f"""
WITH c AS (SELECT DISTINCT channel_id FROM source_input WHERE source_id = %(source)s), x AS (
    SELECT min(hour) AS first, max(hour) AS last FROM emission_hour WHERE source_id = %(source)s
    UNION ALL
    SELECT min(hour), max(hour) FROM emission_hour_history WHERE source_id = %(source)s
    UNION ALL
    SELECT min(first_hour), max(last_hour) FROM packed_hours WHERE source_id = %(source)s
    UNION ALL
    SELECT min(hour), max(hour) FROM source_hour_input WHERE source_id = %(source)s
    UNION ALL
    SELECT min(minute), max(minute) FROM emission_minute WHERE source_id = %(source)s
    UNION ALL
    SELECT min(first_minute), max(last_minute) FROM packed_minutes WHERE source_id = %(source)s
    UNION ALL
    SELECT r.first, least(r.last, {PRESENT}) FROM c CROSS JOIN LATERAL (
        SELECT min(first) AS first, max(last) AS last FROM (
            SELECT min(ts) AS first, max(ts) AS last FROM reading
            WHERE channel_id = c.channel_id
            UNION ALL
            SELECT min(first_ts), max(last_ts) FROM packed_readings
            WHERE channel_id = c.channel_id) b) r)
SELECT minute_of(greatest(min(first), %(first)s)) / 60,
       minute_of(least(max(last), %(end)s::timestamptz - interval '1 microsecond')) / 60
FROM x
"""  # noqa: S608 - a constant

_STORED = f"""
SELECT {_HOUR}, h.final, h.known_at, h.version, h.quality, h.code, h.reason,
       {per_figure(IN_HOURS, "coalesce(h.{f}, 0)")}
FROM emission_hour h
WHERE h.source_id = %(source)s AND h.hour >= minute_start(60 * %(first)s)
  AND h.hour <= minute_start(60 * %(last)s)
ORDER BY h.hour
"""  # noqa: S608 - a constant

_SUPERSEDED = f"""
SELECT {_HOUR}, h.version, h.known_at, h.superseded_at, h.code,
       {per_figure(CHECKED, "coalesce(h.{f}, 0)")}
FROM emission_hour_history h
WHERE h.source_id = %(source)s AND h.hour >= minute_start(60 * %(first)s)
  AND h.hour <= minute_start(60 * %(last)s)
ORDER BY h.hour, h.version
"""  # noqa: S608 - a constant

_HORIZON = """
SELECT minute_of(max(c.horizon)) / 60 FROM channel_horizon c
WHERE c.channel_id = ANY(%s)
"""

# A source that is retired is not computed again: what arrived since is not in its hours.
_SINCE_RETIRED = """
SELECT DISTINCT minute_of(r.ts) / 60
FROM reading r JOIN source s ON s.id = %(source)s
WHERE r.channel_id = ANY(%(channels)s) AND r.received_at > s.retired_at
  AND r.ts >= minute_start(60 * (%(first)s - 24))
  AND r.ts < minute_start(60 * (%(last)s + 25))
"""


# What is dated in the future was not queued by anybody.
_IS_TOO_LONG: LiteralString = (
    f" NOT BETWEEN {PRESENT} - %(longest)s::interval AND {PRESENT} + interval '5 minutes'"
)

_QUEUED: LiteralString = (
    f"SELECT from_minute, to_minute, requested_at, requested_at {_IS_TOO_LONG}"  # noqa: S608
    " FROM recompute WHERE source_id = %(source)s"
)

_INVALIDATED: LiteralString = f"""
SELECT x.channel_id, x.minute, min(t.committed_at), bool_or(t.committed_at {_IS_TOO_LONG})
FROM touched t
CROSS JOIN LATERAL unnest(t.channel_ids, t.minutes) AS x(channel_id, minute)
WHERE t.facility_id = %(facility)s AND x.channel_id = ANY(%(channels)s)
GROUP BY 1, 2
"""  # noqa: S608 - a condition of this module


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSource:
    """A source that has, or had, totals."""

    facility_id: int
    facility: str
    timezone: str
    source_id: int
    source: str
    #: its id where the facility file gives it no name
    source_name: str
    #: None: the facility file names it
    retired_hour: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredHour:
    """One hour (since the epoch) as it is in force, in the database's integers."""

    hour: int
    final: bool
    known_at: datetime
    version: int
    quality: str
    #: None: no rule judged it
    code: str | None
    reason: str
    #: by name, those of ``IN_HOURS``
    figures: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class SupersededVersion:
    """A version of an hour (since the epoch) that another one replaced."""

    hour: int
    version: int
    known_at: datetime
    superseded_at: datetime
    #: None: no rule judged it
    code: str | None
    #: by name, those of ``CHECKED``
    figures: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingSince:
    """How long what waits to be computed has been waiting."""

    since: datetime
    #: longer than work may wait, or since a time to come
    too_long: bool


def sources(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[StoredSource]:
    """Read every source of the facilities, None: of all; the retired ones too."""
    with connection.cursor(row_factory=class_row(StoredSource)) as cursor:
        wanted = None if facilities is None else list(facilities)
        return cursor.execute(_SOURCES, {"facilities": wanted}).fetchall()


def bounds(
    connection: psycopg.Connection[Any],
    source_id: int,
    first: datetime | None,
    end: datetime | None,
) -> tuple[int, int] | None:
    """Read the first and the last hour in ``first .. end`` of which anything at all is stored.

    Readings of its channels count too, up to now.
    """
    row = connection.execute(_BOUNDS, {"source": source_id, "first": first, "end": end}).fetchone()
    return None if row is None or row[0] is None or row[0] > row[1] else (row[0], row[1])


def stored(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> list[StoredHour]:
    """Read the source's hours from ``first`` to ``last``, both included."""
    hour_history.open_hours(connection, source_id, first, last)
    rows = connection.execute(_STORED, {"source": source_id, "first": first, "last": last})
    return [
        StoredHour(
            hour=hour,
            final=final,
            known_at=known_at,
            version=version,
            quality=quality,
            code=code,
            reason=reason,
            figures=dict(zip(names(IN_HOURS), figures, strict=True)),
        )
        for hour, final, known_at, version, quality, code, reason, *figures in rows
    ]


def superseded(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> list[SupersededVersion]:
    """Read the versions of the hours ``first .. last`` that others replaced."""
    hour_history.open_hours(connection, source_id, first, last)
    rows = connection.execute(_SUPERSEDED, {"source": source_id, "first": first, "last": last})
    return [
        SupersededVersion(
            hour=hour,
            version=version,
            known_at=known_at,
            superseded_at=superseded_at,
            code=code,
            figures=dict(zip(names(CHECKED), figures, strict=True)),
        )
        for hour, version, known_at, superseded_at, code, *figures in rows
    ]


def horizon(connection: psycopg.Connection[Any], channel_ids: Sequence[int]) -> int | None:
    """Read the hour before which readings of any of the channels were dropped; None: none were."""
    row = connection.execute(_HORIZON, (list(channel_ids),)).fetchone()
    return row[0] if row else None


def after_retirement(
    connection: psycopg.Connection[Any],
    source_id: int,
    channel_ids: Sequence[int],
    first: int,
    last: int,
) -> set[int]:
    """Read hours, a day around too, with readings from after the source was retired."""
    history.open_span(
        connection, channel_ids, from_us((first - 24) * HOUR_US), from_us((last + 25) * HOUR_US)
    )
    rows = connection.execute(
        _SINCE_RETIRED,
        {"source": source_id, "channels": list(channel_ids), "first": first, "last": last},
    )
    return {row[0] for row in rows}


def queued(
    connection: psycopg.Connection[Any], source_id: int, longest: timedelta
) -> list[tuple[Interval, WaitingSince]]:
    """Read the minutes of the source that wait to be computed again; ``longest``: that is honest.

    A recomputation that was asked for covers no minutes to come.
    """
    rows = connection.execute(_QUEUED, {"source": source_id, "longest": longest})
    return [
        (Interval(start=start, end=end), WaitingSince(since=since, too_long=too_long))
        for start, end, since, too_long in rows
    ]


def invalidated_minutes(
    connection: psycopg.Connection[Any],
    facility_id: int,
    channel_ids: Sequence[int],
    longest: timedelta,
) -> list[tuple[WaitingSince, dict[int, NDArray[np.int64]]]]:
    """Read ascending minutes of the channels whose readings wait to be computed.

    Those that have been waiting for longer than ``longest`` stand for themselves, each part with
    the time of its oldest.
    """
    rows = connection.execute(
        _INVALIDATED,
        {"facility": facility_id, "channels": list(channel_ids), "longest": longest},
    )
    parts: dict[bool, tuple[datetime, dict[int, set[int]]]] = {}
    for channel_id, minute, since, too_long in rows:
        oldest, minutes = parts.get(too_long, (since, {}))
        minutes.setdefault(channel_id, set()).add(minute)
        parts[too_long] = (min(oldest, since), minutes)
    return [
        (
            WaitingSince(since=since, too_long=too_long),
            {c: np.array(sorted(m), dtype=np.int64) for c, m in minutes.items()},
        )
        for too_long, (since, minutes) in parts.items()
    ]

"""Minutes that follow a new factor: their hours and windows have its masses, they not yet.

Those of one source never overlap. Readers see such minutes with the new masses
(``minute_in_force``); whoever changes minutes lets them follow first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg

from services.core.store.emissions import minute_history
from services.core.store.schema.figures import MASSES, per_figure
from services.core.store.schema.minute_mass import minute_mass
from services.core.timeline.intervals import Interval, bounds

_PER_UNIT: LiteralString = per_figure(MASSES, "{f.in_kg}")

_STORED: LiteralString = f"""
SELECT id, source_id, minute_of(begins), minute_of(ends), packed, {_PER_UNIT}
FROM following_minutes
WHERE facility_id = %s AND (%s::int4[] IS NULL OR source_id = ANY(%s))
ORDER BY ends DESC, id
"""  # noqa: S608 - constants

_INSERT: LiteralString = f"""
INSERT INTO following_minutes (facility_id, source_id, begins, ends, packed, {_PER_UNIT})
SELECT %s, source_id, minute_start(starts), minute_start(ends), packed, {_PER_UNIT}
FROM unnest(%s::int4[], %s::int8[], %s::int8[], %s::bool[], {per_figure(MASSES, "%s::float8[]")})
    AS x(source_id, starts, ends, packed, {_PER_UNIT})
"""  # noqa: S608 - constants


# With the outer bounds as constants only the chunks concerned are opened.
_FOLLOW: LiteralString = f"""
UPDATE public.emission_minute m
SET {per_figure(MASSES, "{f} = " + minute_mass("f.{f.in_kg}"))}
FROM unnest(%(sources)s::int4[], %(starts)s::int8[], %(ends)s::int8[],
            {per_figure(MASSES, "%({f.in_kg})s::float8[]")})
    AS f(source_id, starts, ends, {_PER_UNIT})
WHERE m.source_id = f.source_id
  AND m.minute >= minute_start(f.starts) AND m.minute < minute_start(f.ends)
  AND m.minute >= minute_start(%(outer_start)s) AND m.minute < minute_start(%(outer_end)s)
  AND m.activity IS NOT NULL
""".replace("% 60)", "%% 60)")  # noqa: S608 - the expressions above


@dataclass(frozen=True, kw_only=True, slots=True)
class DeferredMinutes:
    """Minutes of a source, and the kg per unit of its activity that they are to have."""

    source_id: int
    interval: Interval
    #: of each mass
    per_unit_kg: tuple[float, ...]
    #: of packed days: nothing is done until those are opened
    packed: bool = False


Intervals = Mapping[int, Iterable[Interval]]


def add(
    connection: psycopg.Connection[Any], facility_id: int, deferred: Sequence[DeferredMinutes]
) -> None:
    """Have the minutes follow; what they were to follow before is forgotten.

    Those that go on where others of equal factors end become one with them. Those of packed days
    are seen with the new masses from now on, and nothing more is to be done.
    """
    _take(connection, facility_id, _by_source(deferred))
    deferred = _split(connection, deferred)
    ending = {
        _starting(minutes, minutes.interval.end): (row_id, minutes.interval.start)
        for row_id, minutes in _stored(connection, facility_id, [d.source_id for d in deferred])
    }
    joined: list[int] = []
    longer = []
    for minutes in deferred:
        start = minutes.interval.start
        row_id, start = ending.get(_starting(minutes, start), (None, start))
        longer.append(replace(minutes, interval=replace(minutes.interval, start=start)))
        joined += [] if row_id is None else [row_id]
    _delete(connection, joined)
    _insert(connection, facility_id, longer)


def _split(
    connection: psycopg.Connection[Any], deferred: Sequence[DeferredMinutes]
) -> list[DeferredMinutes]:
    """Part the minutes of packed days from the others."""
    if not deferred:
        return []
    outer = bounds(minutes.interval for minutes in deferred)
    source_ids = {minutes.source_id for minutes in deferred}
    packed = minute_history.packed_days(connection, source_ids, outer)
    parts = []
    for minutes in deferred:
        rest = [minutes.interval]
        for days in packed.get(minutes.source_id, ()):
            if minutes.interval.overlaps(days):
                within = minutes.interval.within(days)
                parts.append(replace(minutes, interval=within, packed=True))
                rest = [left for piece in rest for left in piece.without(days)]
        parts += [replace(minutes, interval=piece) for piece in rest]
    return sorted(parts, key=lambda part: (part.source_id, part.interval.start))


def _starting(deferred: DeferredMinutes, minute: int) -> DeferredMinutes:
    """Return what minutes that go on at a minute would be, whatever their end."""
    return replace(deferred, interval=Interval(start=minute, end=minute))


def settle(connection: psycopg.Connection[Any], facility_id: int, intervals: Intervals) -> None:
    """Let the minutes of the intervals (by source) follow now."""
    _reprice(connection, facility_id, intervals)


def step(
    connection: psycopg.Connection[Any],
    facility_id: int,
    max_minutes: int,
    but: Collection[int] = (),
) -> bool:
    """Let the newest minutes follow that wait, about ``max_minutes``; return whether any did.

    ``but``: sources that are left alone.

    Those of all sources together: rows of one time mostly lie together.
    """
    waiting = [
        d
        for _, d in _stored(connection, facility_id, None)
        if d.source_id not in but and not d.packed
    ]
    if not waiting:
        return False
    length = max(1, max_minutes // len({minutes.source_id for minutes in waiting}))
    end = waiting[0].interval.end
    newest = Interval(start=end - length, end=end)
    _reprice(
        connection,
        facility_id,
        _by_source(
            replace(minutes, interval=minutes.interval.within(newest))
            for minutes in waiting
            if minutes.interval.overlaps(newest)
        ),
    )
    return True


def _reprice(connection: psycopg.Connection[Any], facility_id: int, intervals: Intervals) -> None:
    parts = [
        replace(minutes, interval=minutes.interval.within(interval))
        for _, minutes in _stored(connection, facility_id, list(intervals))
        for interval in intervals[minutes.source_id]
        if minutes.interval.overlaps(interval) and not minutes.packed
    ]
    if not parts:
        return
    outer = bounds(part.interval for part in parts)
    connection.execute(
        _FOLLOW,
        {
            "sources": [part.source_id for part in parts],
            "starts": [part.interval.start for part in parts],
            "ends": [part.interval.end for part in parts],
            **{
                mass.in_kg: [part.per_unit_kg[i] for part in parts] for i, mass in enumerate(MASSES)
            },
            "outer_start": outer.start,
            "outer_end": outer.end,
        },
    )
    _take(connection, facility_id, intervals, but_packed=True)


def _take(
    connection: psycopg.Connection[Any],
    facility_id: int,
    intervals: Intervals,
    *,
    but_packed: bool = False,
) -> None:
    """Take the intervals out of what is stored; ``but_packed``: out of that of open days."""
    gone: list[int] = []
    rest: list[DeferredMinutes] = []
    for row_id, minutes in _stored(connection, facility_id, list(intervals)):
        if but_packed and minutes.packed:
            continue
        pieces = [minutes.interval]
        for interval in intervals[minutes.source_id]:
            pieces = [left for piece in pieces for left in piece.without(interval)]
        if pieces != [minutes.interval]:
            gone.append(row_id)
            rest += [replace(minutes, interval=piece) for piece in pieces]
    _delete(connection, gone)
    _insert(connection, facility_id, rest)


def _stored(
    connection: psycopg.Connection[Any], facility_id: int, source_ids: list[int] | None
) -> list[tuple[int, DeferredMinutes]]:
    rows = connection.execute(_STORED, (facility_id, source_ids, source_ids)).fetchall()
    return [
        (
            row[0],
            DeferredMinutes(
                source_id=row[1],
                interval=Interval(start=row[2], end=row[3]),
                packed=row[4],
                per_unit_kg=row[5:],
            ),
        )
        for row in rows
    ]


def _delete(connection: psycopg.Connection[Any], ids: list[int]) -> None:
    if ids:
        connection.execute("DELETE FROM following_minutes WHERE id = ANY(%s)", (ids,))


def _insert(
    connection: psycopg.Connection[Any], facility_id: int, deferred: Sequence[DeferredMinutes]
) -> None:
    if deferred:
        columns = zip(
            *(
                (d.source_id, d.interval.start, d.interval.end, d.packed, *d.per_unit_kg)
                for d in deferred
            ),
            strict=True,
        )
        connection.execute(_INSERT, (facility_id, *map(list, columns)))


def _by_source(deferred: Iterable[DeferredMinutes]) -> dict[int, list[Interval]]:
    intervals: dict[int, list[Interval]] = {}
    for minutes in deferred:
        intervals.setdefault(minutes.source_id, []).append(minutes.interval)
    return intervals

"""Minutes that follow a new factor: their hours and windows have its masses, they not yet.

Those of one source never overlap. Readers see such minutes with the new masses
(``minute_in_force``); whoever changes minutes lets them follow first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, LiteralString

import psycopg

from services.core.store.emissions import minute_history
from services.core.store.schema.figures import MASSES, per_figure
from services.core.store.schema.minute_mass import minute_mass
from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.intervals import Interval, bounds

_PER_UNIT: LiteralString = per_figure(MASSES, "{f.in_kg}")

#: Of a row of ``following_minutes``: something is to be done for it. Packed days that are told by
#: one figure stay as they are; a figure for each hour would be looked up by whoever reads them.
TO_FOLLOW: LiteralString = f"(NOT packed OR cardinality({MASSES[0].in_kg}) > 1)"

_STORED: LiteralString = f"""
SELECT id, source_id, minute_of(begins), minute_of(ends), packed, {_PER_UNIT}
FROM following_minutes
WHERE facility_id = %(facility)s AND source_id = ANY(%(sources)s)
  AND begins <= minute_start(%(end)s) AND ends >= minute_start(%(start)s)
ORDER BY ends DESC, id
"""  # noqa: S608 - constants

_INSERT: LiteralString = f"""
INSERT INTO following_minutes (facility_id, source_id, begins, ends, packed, {_PER_UNIT})
SELECT %(facility)s, source_id, minute_start(starts), minute_start(ends), packed,
       {per_figure(MASSES, "(%({f.in_kg})s::float8[])[place:place + figures - 1]")}
FROM unnest(%(sources)s::int4[], %(starts)s::int8[], %(ends)s::int8[], %(packed)s::bool[],
            %(places)s::int4[], %(figures)s::int4[])
    AS x(source_id, starts, ends, packed, place, figures)
"""  # noqa: S608 - constants

_WAITING: LiteralString = f"""
SELECT id, source_id, minute_of(begins), minute_of(ends), packed, {_PER_UNIT}
FROM following_minutes
WHERE facility_id = %(facility)s AND NOT packed AND source_id <> ALL(%(but)s)
  AND ends > (SELECT max(ends) FROM following_minutes
              WHERE facility_id = %(facility)s AND NOT packed AND source_id <> ALL(%(but)s))
             - make_interval(mins => %(minutes)s)
ORDER BY ends DESC, id
"""  # noqa: S608 - constants

_PACKED_BY_HOUR: LiteralString = f"""
SELECT DISTINCT source_id, minute_of(begins) / {DAY_MINUTES} AS day
FROM following_minutes
WHERE facility_id = %s AND packed AND {TO_FOLLOW} AND source_id <> ALL(%s)
ORDER BY day DESC, source_id LIMIT %s
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
    #: of each mass: one figure for all of the minutes, or one for each hour that has one of them,
    #: and then they are of one day
    per_unit_kg: tuple[tuple[float, ...], ...]
    #: of packed days: their rows stay as they are
    packed: bool = False

    @property
    def by_hour(self) -> bool:
        """Whether there is a figure for each hour."""
        return len(self.per_unit_kg[0]) > 1

    def within(self, interval: Interval) -> DeferredMinutes:
        """Return those of its minutes that lie in an interval."""
        inside = self.interval.within(interval)
        if not self.by_hour:
            return replace(self, interval=inside)
        first = inside.start // 60 - self.interval.start // 60
        chosen = slice(first, first + len(inside.hours))
        per_unit_kg = tuple(figures[chosen] for figures in self.per_unit_kg)
        return replace(self, interval=inside, per_unit_kg=per_unit_kg)

    def hours(self) -> list[DeferredMinutes]:
        """Return parts that have one figure each."""
        if not self.by_hour:
            return [self]
        begins = (60 * hour for hour in self.interval.hours)
        return [self.within(Interval(start=begin, end=begin + 60)) for begin in begins]


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
        for row_id, minutes in _stored(connection, facility_id, _by_source(deferred))
        if not minutes.by_hour
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
                parts.append(replace(minutes.within(days), packed=True))
                rest = [left for piece in rest for left in piece.without(days)]
        parts += [minutes.within(piece) for piece in rest]
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
    """Let the newest rows follow that wait, about ``max_minutes``; return whether any did.

    ``but``: sources that are left alone.

    Those of all sources together: rows of one time mostly lie together.
    """
    waiting = _records(
        connection.execute(
            _WAITING, {"facility": facility_id, "but": list(but), "minutes": max_minutes}
        )
    )
    if not waiting:
        return False
    length = max(1, max_minutes // len({minutes.source_id for _, minutes in waiting}))
    end = waiting[0][1].interval.end
    newest = Interval(start=end - length, end=end)
    _reprice(
        connection,
        facility_id,
        _by_source(
            minutes.within(newest) for _, minutes in waiting if minutes.interval.overlaps(newest)
        ),
    )
    return True


def packed_by_hour(
    connection: psycopg.Connection[Any], facility_id: int, max_days: int, but: Collection[int] = ()
) -> list[tuple[int, int]]:
    """Return packed days, each with its source first, that have a figure for each hour to follow.

    The newest ones; ``but``: not of these sources.
    """
    key = (facility_id, list(but), max_days)
    return connection.execute(_PACKED_BY_HOUR, key).fetchall()


def _reprice(connection: psycopg.Connection[Any], facility_id: int, intervals: Intervals) -> None:
    parts = [
        part
        for _, minutes in _stored(connection, facility_id, intervals)
        for interval in intervals[minutes.source_id]
        if minutes.interval.overlaps(interval) and not minutes.packed
        for part in minutes.within(interval).hours()
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
                mass.in_kg: [part.per_unit_kg[i][0] for part in parts]
                for i, mass in enumerate(MASSES)
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
    for row_id, minutes in _stored(connection, facility_id, intervals):
        if but_packed and minutes.packed:
            continue
        pieces = [minutes.interval]
        for interval in intervals[minutes.source_id]:
            pieces = [left for piece in pieces for left in piece.without(interval)]
        if pieces != [minutes.interval]:
            gone.append(row_id)
            rest += [minutes.within(piece) for piece in pieces]
    _delete(connection, gone)
    _insert(connection, facility_id, rest)


def _stored(
    connection: psycopg.Connection[Any], facility_id: int, intervals: Intervals
) -> list[tuple[int, DeferredMinutes]]:
    """Read what is stored of the sources that may touch the intervals, each with its row's id."""
    of_all = [interval for of_source in intervals.values() for interval in of_source]
    if not of_all:
        return []
    outer = bounds(of_all)
    key = {"facility": facility_id, "sources": list(intervals), "start": outer.start}
    return _records(connection.execute(_STORED, {**key, "end": outer.end}))


def _records(rows: Iterable[tuple[Any, ...]]) -> list[tuple[int, DeferredMinutes]]:
    return [
        (
            row[0],
            DeferredMinutes(
                source_id=row[1],
                interval=Interval(start=row[2], end=row[3]),
                packed=row[4],
                per_unit_kg=tuple(map(tuple, row[5:])),
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
    if not deferred:
        return
    counts = [len(d.per_unit_kg[0]) for d in deferred]
    connection.execute(
        _INSERT,
        {
            "facility": facility_id,
            "sources": [d.source_id for d in deferred],
            "starts": [d.interval.start for d in deferred],
            "ends": [d.interval.end for d in deferred],
            "packed": [d.packed for d in deferred],
            "places": list(accumulate(counts[:-1], initial=1)),
            "figures": counts,
            **{
                mass.in_kg: [kg for d in deferred for kg in d.per_unit_kg[i]]
                for i, mass in enumerate(MASSES)
            },
        },
    )


def _by_source(deferred: Iterable[DeferredMinutes]) -> dict[int, list[Interval]]:
    intervals: dict[int, list[Interval]] = {}
    for minutes in deferred:
        intervals.setdefault(minutes.source_id, []).append(minutes.interval)
    return intervals

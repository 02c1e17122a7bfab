"""One history of minutes for every reader, whether its days are rows or packed.

As :mod:`services.core.store.readings.history`: a reader says first which minutes it is about to ask
for (:func:`open_span`), and then finds them, with those that are rows, under
the names ``emission_minute`` and ``minute_in_force``. He holds the facility, or is in a snapshot.

Who adds up years takes arrays of what is packed (:func:`packed`), and the rows of
``public.emission_minute`` or ``public.minute_in_force``, which never show what is packed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.minute_rounding import billionths
from services.core.store.emissions.packing.columns import COLUMNS, NULLABLE, MinuteColumns
from services.core.store.emissions.packing.days import unpacked
from services.core.store.packing import opened
from services.core.store.packing.days import Integers, instants
from services.core.store.packing.opened import AnyConnection, execute
from services.core.store.schema.figures import MASSES, Figure, Mass, names, per_figure
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, to_us
from services.core.timeline.intervals import Interval, bounds

if TYPE_CHECKING:
    # SQLAlchemy's asyncio loads its ORM, which ingest and the aggregator do without
    from sqlalchemy.ext.asyncio import AsyncConnection

#: Nothing younger is packed.
_NEVER_PACKED_S: Final = 86_400

#: The packed days of sources that have minutes of any of some spans.
_WANTED: LiteralString = """
SELECT p.id, p.source_id, p.day, p.minutes
FROM packed_minutes p
WHERE (p.source_id, p.day) IN (
    SELECT s.source_id, p.day
    FROM unnest(%(sources)s::int8[]) AS s(source_id)
    CROSS JOIN unnest(%(firsts)s::int8[], %(stops)s::int8[]) AS x(first, stop)
    CROSS JOIN LATERAL (
        SELECT p.day FROM packed_minutes p
        WHERE p.source_id = s.source_id AND p.day BETWEEN x.first / 1440 AND (x.stop - 1) / 1440
          AND p.last_minute >= minute_start(x.first) AND p.first_minute < minute_start(x.stop)) p)
"""
_NOT_OPENED: LiteralString = opened.NOT_OPENED.replace("{kind}", "2").replace(
    "{owner}", "source_id"
)

_FILL: LiteralString = f"""
INSERT INTO pg_temp.unpacked_minute (source_id, minute, {per_figure(COLUMNS)}, activity)
SELECT u.source_id, u.minute, {
    ", ".join(
        f"CASE WHEN NOT u.unknown_{name} THEN u.{name} END"
        if name in names(NULLABLE)
        else f"u.{name}"
        for name in names(COLUMNS)
    )
}, CASE WHEN NOT u.without_activity THEN u.activity END
FROM unnest(%(source_id)s::int4[], %(minute)s::timestamptz[], {
    per_figure(COLUMNS, "%({f})s::int8[]")
},
            {per_figure(NULLABLE, "%(unknown_{f})s::bool[]")}, %(activity)s::float8[],
            %(without_activity)s::bool[])
     AS u(source_id, minute, {per_figure(COLUMNS)}, {per_figure(NULLABLE, "unknown_{f}")},
          activity, without_activity)
"""  # noqa: S608 - constants

#: In order, so that those of one source come one after the other.
_PACKED: LiteralString = """
SELECT p.source_id, p.day, p.minutes FROM packed_minutes p
WHERE p.source_id = ANY(%(sources)s) AND p.day BETWEEN %(first)s / 1440 AND (%(stop)s - 1) / 1440
  AND p.last_minute >= minute_start(%(first)s) AND p.first_minute < minute_start(%(stop)s)
ORDER BY p.source_id, p.day
"""

#: Days one after the other, less their place in the order, are of one number.
_DAYS: LiteralString = """
SELECT source_id, min(day), max(day) + 1 FROM (
    SELECT source_id, day, day - row_number() OVER (PARTITION BY source_id ORDER BY day) AS run
    FROM packed_minutes
    WHERE source_id = ANY(%(sources)s)
      AND day BETWEEN %(first)s / 1440 AND (%(stop)s - 1) / 1440) d
GROUP BY source_id, run ORDER BY source_id, min(day)
"""

_NEW_FACTORS: LiteralString = f"""
SELECT source_id, minute_of(begins), minute_of(ends), {per_figure(MASSES, "{f.in_kg}")}
FROM following_minutes
WHERE source_id = ANY(%(sources)s) AND packed
  AND begins < minute_start(%(stop)s) AND ends > minute_start(%(first)s)
"""  # noqa: S608 - constants


def open_intervals(
    connection: AnyConnection, source_ids: Sequence[int], intervals: Sequence[Interval]
) -> None:
    """Let queries up to the end of the transaction see the packed minutes of sources in intervals.

    :raises DamagedDayError: one of the days cannot be unpacked.
    """
    intervals = [interval for interval in intervals if interval.minutes]
    if not intervals or not source_ids:
        return
    horizon = _horizon(connection, bounds(intervals).start)
    if horizon is None:
        return
    rows = execute(
        connection,
        _WANTED + _NOT_OPENED if horizon.has_tables else _WANTED,
        {
            "sources": np.array(list(source_ids), dtype=np.int64),
            "firsts": np.array([interval.start for interval in intervals], dtype=np.int64),
            "stops": np.array([interval.end for interval in intervals], dtype=np.int64),
        },
    ).fetchall()
    if rows:
        _show(connection, rows, has_tables=horizon.has_tables)


def open_span(
    connection: AnyConnection, source_ids: Sequence[int], begins: datetime, ends: datetime
) -> None:
    """Let queries see the packed minutes of sources in a span, its end exclusive."""
    first, stop = to_us(begins) // MINUTE_US, -(-to_us(ends) // MINUTE_US)
    open_intervals(connection, source_ids, [Interval(start=first, end=stop)])


def _horizon(connection: AnyConnection, first: int) -> opened.Horizon | None:
    """Return how far minutes may be packed; None: none is from minute ``first`` on."""
    # ticks and thresholds ask for what is young, mostly: that needs no look at the database
    if first * 60 >= time.time() - _NEVER_PACKED_S:
        return None
    horizon = opened.horizon(connection, opened.MINUTES)
    return None if horizon is None or first >= horizon.upto_day * DAY_MINUTES else horizon


def _show(connection: AnyConnection, rows: Sequence[Any], *, has_tables: bool) -> None:
    parts = [unpacked(source_id, day, bytes(blob)) for _, source_id, day, blob in rows]
    minutes = MinuteColumns.joined(parts)
    owners = np.array([source_id for _, source_id, *_ in rows], dtype=np.int64)
    opened.show(
        connection,
        opened.MINUTES,
        _FILL,
        {
            "source_id": np.repeat(owners, [len(part) for part in parts]).astype(np.int32),
            "minute": instants(minutes.minute * MINUTE_US),
            **minutes.figures,
            **{f"unknown_{name}": column for name, column in minutes.unknown.items()},
            "activity": minutes.activity,
            "without_activity": minutes.without_activity,
        },
        owners=owners,
        days=np.array([day for _, _, day, _ in rows], dtype=np.int64),
        ids=np.array([pack_id for pack_id, *_ in rows], dtype=np.int64),
        has_tables=has_tables,
    )


@asynccontextmanager
async def snapshot_since(connection: AsyncConnection, begins: datetime) -> AsyncIterator[bool]:
    """Let queries of the block see one history, on a connection of a pool.

    Gives whether minutes from an instant on may be packed; where they cannot, nothing is done.
    """
    if to_us(begins) >= (time.time() - _NEVER_PACKED_S) * 1e6:
        yield False
        return
    async with opened.snapshot_async(connection):
        # asked in the snapshot: nothing is packed meanwhile that the block does not see
        yield await opened.may_be_packed(connection, opened.MINUTES, begins)


def packed_days(
    connection: AnyConnection, source_ids: Collection[int], interval: Interval
) -> dict[int, list[Interval]]:
    """Return the minutes of packed days, by source, adjacent days as one, ascending."""
    days: dict[int, list[Interval]] = {}
    if not source_ids or _horizon(connection, interval.start) is None:
        return days
    rows = execute(
        connection,
        _DAYS,
        {"sources": list(source_ids), "first": interval.start, "stop": interval.end},
    )
    for source_id, first, stop in rows.fetchall():
        of_source = days.setdefault(source_id, [])
        of_source.append(Interval(start=first * DAY_MINUTES, end=stop * DAY_MINUTES))
    return days


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedMinutes:
    """Minutes of sources that are packed: element i of ``source`` is whose minute i is."""

    source: Integers
    minutes: MinuteColumns

    def __len__(self) -> int:
        return self.source.size

    def closed(self, figure: Figure) -> Integers:
        """Return a figure with what closing the hour added to it."""
        column: Integers = self.minutes.figures[figure.name]
        closing = figure.closing if isinstance(figure, Mass) else None
        return column if closing is None else column + self.minutes.figures[closing]


def packed_parts(
    connection: AnyConnection,
    source_ids: Sequence[int],
    first: int,
    stop: int,
    *,
    only: Collection[str] | None = None,
) -> Iterator[tuple[int, MinuteColumns]]:
    """Yield what is packed, day by day of each source, as it was packed.

    See :func:`packed`, which puts it together: years of minutes are dear to put together.
    """
    if not source_ids or first >= stop or _horizon(connection, first) is None:
        return
    key = {"sources": list(source_ids), "first": first, "stop": stop}
    for source_id, day, blob in execute(connection, _PACKED, key).fetchall():
        yield source_id, unpacked(source_id, day, bytes(blob), only).between(first, stop)


def packed(
    connection: AnyConnection,
    source_ids: Sequence[int],
    first: int,
    stop: int,
    *,
    only: Collection[str] | None = None,
) -> PackedMinutes:
    """Return what is packed of sources from minute ``first`` to ``stop``, masses as in force.

    ``only``: of figures these, which are no masses.

    :raises DamagedDayError: one of the days cannot be unpacked.
    """
    sources, parts = [], []
    for source_id, part in packed_parts(connection, source_ids, first, stop, only=only):
        sources.append(source_id)
        parts.append(part)
    source = np.repeat(np.array(sources, dtype=np.int64), [len(part) for part in parts])
    minutes = MinuteColumns.joined(parts)
    of_sources = PackedMinutes(source=source, minutes=minutes)
    return of_sources if only is not None else in_force(connection, of_sources)


def in_force(connection: AnyConnection, packed: PackedMinutes) -> PackedMinutes:
    """Return minutes with the masses in force, by source and time as they were packed.

    The very same where they have them already.
    """
    source, minutes = packed.source, packed.minutes
    if not len(minutes):
        return packed
    key = {
        "sources": np.unique(source).tolist(),
        "first": int(minutes.minute.min()),
        "stop": int(minutes.minute.max()) + 1,
    }
    rows = execute(connection, _NEW_FACTORS, key).fetchall()
    if not rows:
        return packed
    changed = np.zeros(len(minutes), dtype=bool)
    per_unit_kg = np.zeros((len(MASSES), len(minutes)))
    for source_id, begins, ends, *figures in rows:
        # of one source they lie together, in order of time
        low, high = np.searchsorted(source, (source_id, source_id + 1))
        low, high = low + np.searchsorted(minutes.minute[low:high], (begins, ends))
        here = slice(int(low), int(high))
        hour = minutes.minute[here] // 60 - begins // 60
        of_hours = np.array(figures)
        per_unit_kg[:, here] = of_hours[:, np.minimum(hour, of_hours.shape[1] - 1)]
        changed[here] = True
    if not changed.any():
        return packed
    return replace(packed, minutes=_with_new_masses(minutes, changed, per_unit_kg))


def _with_new_masses(
    minutes: MinuteColumns, changed: NDArray[np.bool_], per_unit_kg: NDArray[np.float64]
) -> MinuteColumns:
    """Give minutes the masses of a new factor that they follow, as the view does."""
    known = changed & ~minutes.without_activity
    figures = dict(minutes.figures)
    for mass, factor in zip(MASSES, per_unit_kg, strict=True):
        ug = billionths(minutes.minute, known, minutes.activity * factor)
        figures[mass.name] = np.where(known, ug, figures[mass.name])
    return replace(minutes, figures=figures)

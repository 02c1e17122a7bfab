"""The history of one channel as arrays, each question one statement: rows and packed days alike.

One statement sees one state of the database, so nothing has to be held meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np

from services.core.store.database.arrays import PackedRows, binary_row
from services.core.store.packing.days import Integers, day_of
from services.core.store.packing.opened import AnyConnection, execute, snapshot_async
from services.core.store.readings.history import names_archived_days
from services.core.store.readings.packing import archived
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.packing.columns import ReadingColumns, SeriesColumns
from services.core.store.readings.packing.days import unpacked, unpacked_series
from services.core.store.schema.packed_runs import overlapping
from services.core.timeline.instants import from_us, to_us

if TYPE_CHECKING:
    # SQLAlchemy's asyncio loads its ORM, which ingest and the aggregator do without
    from sqlalchemy.ext.asyncio import AsyncConnection

_TIME: Final = PackedRows(ts="timestamptz")
_GOOD: Final = PackedRows(ts_us="timestamptz", value="float8")
_SERIES: Final = PackedRows(ts_us="timestamptz", value="float8", missing="bool", quality="int2")

_ARRAYS: Final[LiteralString] = (
    "array_agg(p.day), array_agg(p.days), array_agg(p.series), array_agg(p.arrival)"
)
#: The packed rows that may hold any of a span.
_NEAR: LiteralString = overlapping("%(first_day)s", "%(last_day)s")

_SERIES_PACKED: LiteralString = f"""
SELECT p.day, p.days, p.series, CASE WHEN p.first_ts >= %(begins)s AND p.last_ts < %(ends)s
                             THEN p.readings ELSE 0 END AS readings
FROM packed_readings p
WHERE p.channel_id = %(channel)s AND {_NEAR}
  AND p.last_ts >= %(begins)s AND p.first_ts < %(ends)s
ORDER BY p.day
"""  # noqa: S608 - constants
# Each figure of a row costs as much as to find the row: most are good and have a value.
#: Aggregates of rows with ``ts``, ``value`` and ``quality``, which :func:`series_of_rows` takes.
AS_SERIES: LiteralString = f"""
{_GOOD.sql("ts", "value")} FILTER (WHERE value IS NOT NULL AND quality = 0),
{_SERIES.sql("ts", "coalesce(value, 0)", "value IS NULL", "quality")}
    FILTER (WHERE value IS NULL OR quality <> 0)
"""
_SERIES_STORED: LiteralString = f"""
SELECT {AS_SERIES}
FROM public.reading WHERE channel_id = %(channel)s AND ts >= %(begins)s AND ts < %(ends)s
"""  # noqa: S608 - constants

#: Of packed days those that a span cuts have to be looked into.
_BOUNDS: LiteralString = f"""
SELECT r.*, w.*, e.*
FROM (SELECT count(*) AS readings, min(ts) AS first_ts, max(ts) AS last_ts FROM public.reading
      WHERE channel_id = %(channel)s AND ts >= %(begins)s AND ts < %(ends)s) r
CROSS JOIN (
    SELECT coalesce(sum(p.readings), 0)::int8 AS readings, min(p.first_ts) AS first_ts,
           max(p.last_ts) AS last_ts
    FROM packed_readings p
    WHERE p.channel_id = %(channel)s AND p.first_ts >= %(begins)s AND p.last_ts < %(ends)s) w
CROSS JOIN (
    SELECT {_ARRAYS}
    FROM (SELECT p.day, p.days, p.series, p.arrival FROM packed_readings p
          WHERE p.channel_id = %(channel)s AND {_NEAR}
            AND p.last_ts >= %(begins)s AND p.first_ts < %(ends)s
            AND NOT (p.first_ts >= %(begins)s AND p.last_ts < %(ends)s)
          ORDER BY p.day) p) e
"""  # noqa: S608 - constants

#: Days from the newest on until they are sure to hold as many readings as asked for.
_NEWEST: LiteralString = f"""
SELECT (SELECT {_TIME.sql("ts")} FROM (
            SELECT ts FROM public.reading WHERE channel_id = %(channel)s
            ORDER BY ts DESC LIMIT %(count)s) r), {_ARRAYS}
FROM (SELECT p.day, p.days, p.series, p.arrival FROM (
          SELECT *, sum(readings) OVER (ORDER BY day DESC) - readings AS newer
          FROM packed_readings WHERE channel_id = %(channel)s) p
      WHERE p.newer < %(count)s ORDER BY p.day) p
"""  # noqa: S608 - constants

#: Whether any reading of the channels lies in a span; if nothing tells, the days that have to be
#: looked into: those that begin before it and end after it.
_ANY: LiteralString = f"""
SELECT EXISTS (SELECT FROM public.reading
               WHERE channel_id = ANY(%(channels)s) AND ts >= %(begins)s AND ts < %(ends)s)
       OR coalesce(bool_or(told), false),
       array_agg(p.channel_id) FILTER (WHERE NOT told), array_agg(p.day) FILTER (WHERE NOT told),
       array_agg(p.days) FILTER (WHERE NOT told),
       array_agg(p.series) FILTER (WHERE NOT told), array_agg(p.arrival) FILTER (WHERE NOT told)
FROM packed_readings p
CROSS JOIN LATERAL (
    SELECT (p.first_ts >= %(begins)s AND p.first_ts < %(ends)s)
           OR (p.last_ts >= %(begins)s AND p.last_ts < %(ends)s) AS told) t
WHERE p.channel_id = ANY(%(channels)s) AND {_NEAR}
  AND p.last_ts >= %(begins)s AND p.first_ts < %(ends)s
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredBounds:
    """How many readings a span holds, and where the first and the last of them lie."""

    readings: int
    first: datetime | None
    last: datetime | None


#: Readings that are shortened at a time: so many stay in a core's cache, and what is made of them.
_AT_ONCE: Final = 32_768


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortening:
    """How a long series is made shorter, part by part."""

    #: a series is long that has more readings
    longest: int
    #: of a part it leaves all of which something is left of the whole
    by: Callable[[SeriesColumns], SeriesColumns]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortSeries:
    """What is left of a series."""

    series: SeriesColumns
    was_long: bool


async def series_async(
    connection: AsyncConnection, channel_id: int, begins: datetime, ends: datetime
) -> SeriesColumns:
    """Read what a channel's readings of a span say, its end exclusive, in order of time.

    :raises ArchivedDayError: one of the days is in the archive alone.
    :raises DamagedDayError: one of the days cannot be unpacked.
    """
    return (await short_series_async(connection, channel_id, begins, ends, None)).series


async def short_series_async(
    connection: AsyncConnection,
    channel_id: int,
    begins: datetime,
    ends: datetime,
    shortening: Shortening | None,
) -> ShortSeries:
    """Do as :func:`series_async` does, and shorten a long series; None: none is.

    Packed days are unpacked beside the event loop, while the database puts rows together; both are
    of one state of the database.
    """
    try:
        return await _series(connection, channel_id, begins, ends, shortening)
    except ArchivedDayError as error:
        names = await connection.exec_driver_sql(archived.NAMES, {"channel": channel_id})
        raise archived.named(error, names.one_or_none()) from None


async def _series(
    connection: AsyncConnection,
    channel_id: int,
    begins: datetime,
    ends: datetime,
    shortening: Shortening | None,
) -> ShortSeries:
    keys = _parameters(channel_id, begins, ends)
    bounds_us = to_us(begins), to_us(ends)
    async with snapshot_async(connection):
        packed = (await connection.exec_driver_sql(_SERIES_PACKED, keys)).all()
        is_long = (
            shortening is not None and sum(row.readings for row in packed) > shortening.longest
        )
        shorten = shortening.by if shortening is not None and is_long else None
        unpacking = asyncio.create_task(
            asyncio.to_thread(_series_of, channel_id, packed, bounds_us, shorten)
        )
        try:
            stored = await binary_row(connection, _SERIES_STORED, keys)
        finally:
            parts = await unpacking

    def whole() -> ShortSeries:
        series = SeriesColumns.joined([*parts, series_of_rows(*stored)])
        if shortening is None or not (is_long or len(series) > shortening.longest):
            return ShortSeries(series=series, was_long=False)
        return ShortSeries(series=shortening.by(series), was_long=True)

    return await asyncio.to_thread(whole)


def _series_of(
    channel_id: int,
    packed: Sequence[Any],
    bounds_us: tuple[int, int],
    shorten: Callable[[SeriesColumns], SeriesColumns] | None,
) -> list[SeriesColumns]:
    """Unpack days; what is left of them within the bounds, in parts."""
    parts: list[SeriesColumns] = []
    days: list[SeriesColumns] = []
    for place, (day, its_days, series, _) in enumerate(packed, start=1):
        days.append(unpacked_series(channel_id, day, its_days, series))
        if place == len(packed) or sum(map(len, days)) >= _AT_ONCE:
            part = _between(SeriesColumns.joined(days), *bounds_us)
            parts.append(part if shorten is None or not len(part) else shorten(part))
            days = []
    return parts


def _between(series: SeriesColumns, begins_us: int, ends_us: int) -> SeriesColumns:
    if len(series) and begins_us <= series.ts_us[0] and series.ts_us[-1] < ends_us:
        return series
    first, end = np.searchsorted(series.ts_us, [begins_us, ends_us])
    return series.where(slice(first, end))


def series_of_rows(good: bytes | None, others: bytes | None) -> SeriesColumns:
    """Return what :data:`AS_SERIES` gave, in order of time."""
    columns = _GOOD.columns(good)
    size = columns["ts_us"].size
    good_values = SeriesColumns(
        **columns, missing=np.zeros(size, dtype=np.bool_), quality=np.zeros(size, dtype=np.int64)
    )
    columns = _SERIES.columns(others)
    others_columns = SeriesColumns(**{**columns, "quality": columns["quality"].astype(np.int64)})
    return SeriesColumns.joined([good_values, others_columns])


def bounds(
    connection: AnyConnection, channel_id: int, begins: datetime, ends: datetime
) -> StoredBounds:
    """Count the readings of a span, its end exclusive."""
    row = execute(connection, _BOUNDS, _parameters(channel_id, begins, ends)).fetchone()
    stored, first, last, whole, whole_first, whole_last, *packed = row
    with names_archived_days(connection):
        part = _unpacked(channel_id, *packed)
    part = part.where((part.ts_us >= to_us(begins)) & (part.ts_us < to_us(ends)))
    firsts, lasts = [first, whole_first], [last, whole_last]
    if len(part):
        firsts.append(from_us(int(part.ts_us[0])))
        lasts.append(from_us(int(part.ts_us[-1])))
    return StoredBounds(
        readings=stored + whole + len(part),
        first=min((ts for ts in firsts if ts is not None), default=None),
        last=max((ts for ts in lasts if ts is not None), default=None),
    )


def newest_times(connection: AnyConnection, channel_id: int, count: int) -> Integers:
    """Read when the newest ``count`` readings of a channel were, ascending microseconds."""
    row = execute(connection, _NEWEST, {"channel": channel_id, "count": count}).fetchone()
    stored, *packed = row
    with names_archived_days(connection):
        unpacked_us = _unpacked(channel_id, *packed).ts_us
    times_us = np.concatenate((_TIME.columns(stored)["ts"], unpacked_us))
    return np.sort(times_us)[-count:]


def any_between(
    connection: AnyConnection, channel_ids: Sequence[int], begins: datetime, ends: datetime
) -> bool:
    """Return whether any of the channels has a reading in a span, its end exclusive."""
    row = execute(
        connection,
        _ANY,
        {**_parameters(0, begins, ends), "channels": list(channel_ids)},
    ).fetchone()
    present, *packed = row
    if present or packed[0] is None:
        return bool(present)
    begins_us, ends_us = to_us(begins), to_us(ends)
    for row in zip(*packed, strict=True):
        with names_archived_days(connection):
            ts_us = unpacked(*row).ts_us
        if np.any((ts_us >= begins_us) & (ts_us < ends_us)):
            return True
    return False


def _parameters(channel_id: int, begins: datetime, ends: datetime) -> dict[str, Any]:
    return {
        "channel": channel_id,
        "begins": begins,
        "ends": ends,
        "first_day": day_of(to_us(begins)),
        "last_day": day_of(to_us(ends)),
    }


def _unpacked(
    channel_id: int, day: Sequence[int] | None, *columns: Sequence[Any] | None
) -> ReadingColumns:
    """Unpack what :data:`_ARRAYS` gave."""
    if day is None:
        return ReadingColumns.joined([])
    rows = zip(day, *(column or () for column in columns), strict=True)
    return ReadingColumns.joined([unpacked(channel_id, *row) for row in rows])

"""Readings for charts: as they are, or thinned out without losing a peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, LiteralString

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.facility.in_force import InForce, in_force
from services.core.store.database.arrays import binary_row, binary_rows
from services.core.store.packing import opened
from services.core.store.packing.days import Integers
from services.core.store.readings import history_arrays
from services.core.store.readings.packing.columns import Bools, SeriesColumns
from services.core.timeline.instants import MICROSECOND, to_us

#: Of packed readings, what is unpacked at first.
_FIRST_SPAN: Final = timedelta(days=1)

#: Names of the quality codes of the table ``reading``; the last one is of gaps for refused values.
QUALITIES = ("good", "uncertain", "bad", "calibration", "maintenance", "above-range")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelRow:
    """One channel of a facility."""

    id: int
    device: str
    slug: str
    unit: str
    #: what its readings are worth, by when
    in_force: tuple[InForce, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartReadings:
    """Readings of a channel in its unit, oldest first."""

    #: the quality: an index into ``QUALITIES``
    series: SeriesColumns
    #: which values are above the channel's full scale
    over_full_scale: Bools
    #: there are more readings: these are the extremes of time spans
    thinned: bool


_CHANNELS: Final[LiteralString] = """
SELECT c.id, d.slug, c.slug, c.unit, c.spec
FROM device d JOIN channel c ON c.device_id = d.id
WHERE d.facility_id = %(facility)s
  AND (%(devices)s::text[] IS NULL OR d.slug = ANY(%(devices)s))
  AND (%(channels)s::text[] IS NULL OR c.slug = ANY(%(channels)s))
ORDER BY d.slug, c.slug
"""


async def channels(
    connection: AsyncConnection,
    facility_id: int,
    *,
    devices: Sequence[str] = (),
    slugs: Sequence[str] = (),
) -> list[ChannelRow]:
    """Read the channels of a facility; an empty filter means all."""
    filters = {"devices": list(devices) or None, "channels": list(slugs) or None}
    rows = await binary_rows(connection, _CHANNELS, {"facility": facility_id, **filters})
    return [
        ChannelRow(id=id_, device=device, slug=slug, unit=unit, in_force=in_force(unit, spec))
        for id_, device, slug, unit, spec in rows
    ]


_EVERYTHING: Final[LiteralString] = """
SELECT ts, value, quality FROM public.reading
WHERE channel_id = %(channel)s AND ts >= %(begins)s AND ts < %(ends)s
ORDER BY ts LIMIT %(limit)s
"""
# Of each bucket its least and its greatest reading, as they were; a bucket of gaps gives one gap.
_EXTREMES: Final[LiteralString] = """
WITH b AS (
    SELECT date_bin(%(width)s, ts, %(begins)s) AS bucket,
           first(ts, value) FILTER (WHERE value IS NOT NULL) AS least_ts,
           first(value, value) FILTER (WHERE value IS NOT NULL) AS least,
           first(quality, value) FILTER (WHERE value IS NOT NULL) AS least_quality,
           last(ts, value) FILTER (WHERE value IS NOT NULL) AS greatest_ts,
           last(value, value) FILTER (WHERE value IS NOT NULL) AS greatest,
           last(quality, value) FILTER (WHERE value IS NOT NULL) AS greatest_quality,
           min(ts) AS first_ts, first(quality, ts) AS first_quality, count(value) AS known
    FROM public.reading WHERE channel_id = %(channel)s AND ts >= %(begins)s AND ts < %(ends)s
    GROUP BY 1
)
SELECT least_ts AS ts, least AS value, least_quality AS quality FROM b WHERE known > 0
UNION ALL
SELECT greatest_ts, greatest, greatest_quality FROM b WHERE known > 0 AND greatest_ts <> least_ts
UNION ALL
SELECT first_ts, NULL, first_quality FROM b WHERE known = 0
ORDER BY 1 LIMIT %(limit)s
"""
_AS_SERIES: Final[LiteralString] = f"SELECT {history_arrays.AS_SERIES} FROM ({{rows}}) r"  # noqa: S608 - constants


async def readings(
    connection: AsyncConnection,
    channel_row: ChannelRow,
    *,
    begins: datetime,
    ends: datetime,
    max_points: int,
) -> ChartReadings:
    """Read ``begins <= ts < ends`` of a channel in its unit, oldest first, ``max_points`` at most.

    More than that are thinned: the span is cut into ``max_points / 2`` buckets, and the least and
    the greatest reading of each are kept, unchanged.
    """
    thinned = False
    width = (ends - begins) / max(1, max_points // 2) + timedelta(microseconds=1)
    keys = {"channel": channel_row.id, "begins": begins, "ends": ends, "width": width}
    packed = await opened.may_be_packed(connection, opened.READINGS, begins)
    if not packed:
        everything = await _rows(connection, _EVERYTHING, {**keys, "limit": max_points + 1})
        if len(everything) <= max_points:
            stored = everything
        else:
            thinned = True
            stored = await _rows(connection, _EXTREMES, {**keys, "limit": max_points})
        # asked again: what is packed in between is seen here
        packed = await opened.may_be_packed(connection, opened.READINGS, begins)
    if packed:
        first_us, width_us = to_us(begins), width // MICROSECOND
        shortening = history_arrays.Shortening(
            longest=max_points,
            by=lambda series: series.where(_extremes(series, first_us, width_us)),
        )
        short = await history_arrays.short_series_async(
            connection, channel_row.id, begins, ends, shortening
        )
        stored, thinned = short.series.where(slice(max_points)), short.was_long
    return _in_unit(channel_row, stored, thinned=thinned)


async def every_reading(
    connection: AsyncConnection,
    channel_row: ChannelRow,
    *,
    begins: datetime,
    ends: datetime,
    limit: int,
) -> ChartReadings:
    """Read ``begins <= ts < ends`` of a channel in its unit, the ``limit`` oldest at most."""
    if not await opened.may_be_packed(connection, opened.READINGS, begins):
        keys = {"channel": channel_row.id, "begins": begins, "ends": ends, "limit": limit}
        stored = await _rows(connection, _EVERYTHING, keys)
        # asked again: what is packed in between is seen below
        if not await opened.may_be_packed(connection, opened.READINGS, begins):
            return _in_unit(channel_row, stored, thinned=False)
    parts: list[SeriesColumns] = []
    row_count, length = 0, _FIRST_SPAN
    # of no time at all one part without rows
    while not parts or (begins < ends and row_count < limit):
        part_end = min(ends, begins + length)
        part = await history_arrays.series_async(connection, channel_row.id, begins, part_end)
        parts.append(part)
        row_count += len(part)
        # of a channel that says little, ever longer spans are asked for
        begins, length = part_end, length if len(part) * 4 > limit else length * 4
    stored = SeriesColumns.joined(parts)
    return _in_unit(channel_row, stored.where(slice(limit)), thinned=False)


async def _rows(
    connection: AsyncConnection, rows: LiteralString, keys: dict[str, Any]
) -> SeriesColumns:
    answer = await binary_row(connection, _AS_SERIES.replace("{rows}", rows), keys)
    return history_arrays.series_of_rows(*answer)


def _in_unit(channel_row: ChannelRow, stored: SeriesColumns, *, thinned: bool) -> ChartReadings:
    terms = channel_row.in_force
    changes = np.searchsorted(stored.ts_us, [entry.from_us or 0 for entry in terms[1:]])
    value, over = stored.value.copy(), np.zeros(len(stored), dtype=np.bool_)
    bounds = pairwise([0, *changes.tolist(), len(stored)])
    for entry, (first, end) in zip(terms, bounds, strict=True):
        sent, full_scale = value[first:end], entry.counted_full_scale
        if entry.as_sent is not None:
            value[first:end] = entry.as_sent(sent)
        if full_scale is not None:
            over[first:end] = value[first:end] > full_scale
    over &= ~stored.missing
    return ChartReadings(series=replace(stored, value=value), over_full_scale=over, thinned=thinned)


def _extremes(stored: SeriesColumns, begins_us: int, width_us: int) -> Integers:
    """Return where the least and the greatest reading of each bucket are, else its first gap.

    Of what it leaves of the parts of a series it leaves the same as of the whole.
    """
    bucket = (stored.ts_us - begins_us) // width_us
    firsts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    sizes = np.diff(firsts, append=bucket.size)
    gap = stored.missing | np.isnan(stored.value)
    has_gaps = bool(gap.any())
    chosen = [firsts[np.logical_and.reduceat(gap, firsts)]] if has_gaps else []
    for extreme, beyond in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        value = np.where(gap, beyond, stored.value) if has_gaps else stored.value
        is_reached = value == np.repeat(extreme.reduceat(value, firsts), sizes)
        reached = np.flatnonzero(is_reached & ~gap if has_gaps else is_reached)
        # of equal values the earliest
        chosen.append(reached[np.diff(bucket[reached], prepend=bucket[0] - 1) > 0])
    return np.unique(np.concatenate(chosen))

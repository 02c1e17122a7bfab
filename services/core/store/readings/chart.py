"""Readings for charts: as they are, or thinned out without losing a peak."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.facility.in_force import InForce, in_force
from services.core.store.packing import opened
from services.core.store.packing.days import Integers, day_of
from services.core.store.readings import history_arrays
from services.core.store.readings.packing.columns import SeriesColumns
from services.core.store.schema.tables import channel, device, reading
from services.core.timeline.instants import MICROSECOND, from_us, to_us

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
class ReadingRow:
    """One reading; a null value is an explicit gap."""

    ts: datetime
    value: float | None
    quality: str
    #: whether the value is above the channel's full scale
    over_full_scale: bool = False


async def channels(
    connection: AsyncConnection,
    facility_id: int,
    *,
    devices: Sequence[str] = (),
    slugs: Sequence[str] = (),
) -> list[ChannelRow]:
    """Read the channels of a facility; an empty filter means all."""
    statement = (
        select(
            channel.c.id,
            device.c.slug.label("device"),
            channel.c.slug,
            channel.c.unit,
            channel.c.spec,
        )
        .join(device, device.c.id == channel.c.device_id)
        .where(device.c.facility_id == facility_id)
        .order_by(device.c.slug, channel.c.slug)
    )
    if devices:
        statement = statement.where(device.c.slug.in_(devices))
    if slugs:
        statement = statement.where(channel.c.slug.in_(slugs))
    return [
        ChannelRow(
            id=row.id,
            device=row.device,
            slug=row.slug,
            unit=row.unit,
            in_force=in_force(row.unit, row.spec),
        )
        for row in await connection.execute(statement)
    ]


#: Time, value as it was sent (None: a gap) and quality.
_Stored: TypeAlias = tuple[datetime, float | None, int]

# Of each bucket its least and its greatest reading, as they were; a bucket of gaps gives one gap.
_EXTREMES = text(
    """
WITH b AS (
    SELECT date_bin(CAST(:width AS interval), ts, CAST(:begins AS timestamptz)) AS bucket,
           first(ts, value) FILTER (WHERE value IS NOT NULL) AS least_ts,
           first(value, value) FILTER (WHERE value IS NOT NULL) AS least,
           first(quality, value) FILTER (WHERE value IS NOT NULL) AS least_quality,
           last(ts, value) FILTER (WHERE value IS NOT NULL) AS greatest_ts,
           last(value, value) FILTER (WHERE value IS NOT NULL) AS greatest,
           last(quality, value) FILTER (WHERE value IS NOT NULL) AS greatest_quality,
           min(ts) AS first_ts, first(quality, ts) AS first_quality, count(value) AS known
    FROM reading WHERE channel_id = :channel AND ts >= :begins AND ts < :ends
    GROUP BY 1
)
SELECT least_ts AS ts, least AS value, least_quality AS quality FROM b WHERE known > 0
UNION ALL
SELECT greatest_ts, greatest, greatest_quality FROM b WHERE known > 0 AND greatest_ts <> least_ts
UNION ALL
SELECT first_ts, NULL, first_quality FROM b WHERE known = 0
ORDER BY 1
"""
)


async def readings(
    connection: AsyncConnection,
    channel_row: ChannelRow,
    *,
    begins: datetime,
    ends: datetime,
    max_points: int,
) -> list[ReadingRow]:
    """Read ``begins <= ts < ends`` of a channel in its unit, oldest first, ``max_points`` at most.

    More than that are thinned: the span is cut into ``max_points / 2`` buckets, and the least and
    the greatest reading of each are kept, unchanged.
    """
    everything = (
        select(reading.c.ts, reading.c.value, reading.c.quality)
        .where(reading.c.channel_id == channel_row.id, reading.c.ts >= begins, reading.c.ts < ends)
        .order_by(reading.c.ts)
        .limit(max_points + 1)
    )
    width = (ends - begins) / max(1, max_points // 2) + timedelta(microseconds=1)
    rows: list[_Stored] = []
    packed = await _may_be_packed(connection, begins)
    if not packed:
        rows = [tuple(row) for row in (await connection.execute(everything)).all()]
        if len(rows) > max_points:
            parameters = {"channel": channel_row.id, "begins": begins, "ends": ends, "width": width}
            thinned = await connection.execute(_EXTREMES, parameters)
            rows = [tuple(row) for row in thinned.all()][:max_points]
        # asked again: what is packed in between is seen here
        packed = await _may_be_packed(connection, begins)
    if packed:
        stored = await history_arrays.series_async(connection, channel_row.id, begins, ends)
        rows = _listed(stored, begins, width, max_points)
    return _in_unit(channel_row, rows)


async def _may_be_packed(connection: AsyncConnection, begins: datetime) -> bool:
    horizon = await opened.upto_day_async(connection, opened.READINGS)
    return horizon is not None and day_of(to_us(begins)) < horizon


def _in_unit(channel_row: ChannelRow, rows: Sequence[_Stored]) -> list[ReadingRow]:
    changes_us = [terms.from_us or 0 for terms in channel_row.in_force[1:]]
    worth = [(terms.as_sent, terms.counted_full_scale) for terms in channel_row.in_force]
    made = []
    for ts, sent, quality in rows:
        convert, full_scale = worth[bisect_right(changes_us, to_us(ts)) if changes_us else 0]
        value = sent if sent is None or convert is None else convert(sent)
        made.append(
            ReadingRow(
                ts=ts,
                value=value,
                quality=QUALITIES[quality],
                over_full_scale=value is not None and full_scale is not None and value > full_scale,
            )
        )
    return made


def _listed(
    stored: SeriesColumns, begins: datetime, width: timedelta, max_points: int
) -> list[_Stored]:
    """Return readings as :data:`_EXTREMES` does, or all where there are no more than that."""
    if len(stored) > max_points:
        stored = stored.where(_extremes(stored, to_us(begins), width // MICROSECOND)[:max_points])
    return [
        (from_us(ts_us), None if missing else value, quality)
        for ts_us, value, missing, quality in zip(
            stored.ts_us.tolist(),
            stored.value.tolist(),
            stored.missing.tolist(),
            stored.quality.tolist(),
            strict=True,
        )
    ]


def _extremes(stored: SeriesColumns, begins_us: int, width_us: int) -> Integers:
    """Return where the least and the greatest reading of each bucket are, else its first gap."""
    bucket = (stored.ts_us - begins_us) // width_us
    firsts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    sizes = np.diff(firsts, append=bucket.size)
    gap = stored.missing | np.isnan(stored.value)
    chosen = [firsts[np.logical_and.reduceat(gap, firsts)]]
    for extreme, beyond in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        value = np.where(gap, beyond, stored.value)
        reached = np.flatnonzero(
            (value == np.repeat(extreme.reduceat(value, firsts), sizes)) & ~gap
        )
        # of equal values the earliest
        chosen.append(reached[np.diff(bucket[reached], prepend=bucket[0] - 1) > 0])
    return np.unique(np.concatenate(chosen))

"""Emissions by interval: columns of buckets of minutes or of hours, gaps included.

Every answer is whole buckets. Intervals below an hour come from the minutes; an hour or longer
comes from the versioned hours, so that substitution and restatement show, and so that a past state
can be asked for (``as_of``). Where the hours of a facility's time zone do not begin with UTC's
(India, Newfoundland ...), its days and months are summed from minutes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.answers import bucket_sums
from services.core.store.answers.bucket_sums import HourSums
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.grouping import Booleans, Groups, joined
from services.core.store.answers.hour_columns import HourColumns, hour_columns
from services.core.store.answers.minute_sums import MinuteSums, minute_sums
from services.core.store.answers.newest_hours import sums_and_newest_hours
from services.core.store.answers.summed_periods import Rest, stored_sums
from services.core.store.computation.hours_then import HoursThen
from services.core.store.emissions.hour_quality import QUALITIES
from services.core.store.packing import opened
from services.core.store.schema.figures import MASSES, names
from services.core.timeline.instants import HOUR, HOUR_US, MINUTE_US, from_us, to_us

#: Instead of a quality: to be judged by the methods' times.
BY_METHODS: Final = -1
_MISSING, _PARTIAL, _SUBSTITUTED, _ESTIMATED, _MEASURED = map(
    QUALITIES.index, ("missing", "partial", "substituted", "estimated", "measured")
)

#: Hours that are in memory at a time: some 30 MB.
_MAX_HOURS: Final = 200_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EmissionColumns:
    """What sources emitted in buckets: a row for each of both, by bucket, then as sources came.

    Sums are Python's integers where 64 bits might not hold one.
    """

    #: index into the buckets asked for
    bucket: Integers
    #: index into the sources asked for
    source: Integers
    #: whether the masses and what flowed out are known
    known: Booleans
    #: micrograms, by name, all of ``MASSES``
    masses_ug: Mapping[str, NDArray[Any]]
    #: 1e-9 of the source's activity unit
    activity_n: NDArray[Any]
    has_activity: Booleans
    #: in the same unit, what flowed out
    exported_n: NDArray[Any]
    covered_ms: Integers
    #: the time that each method stands for, by name, in the order of ``METHODS_MS``
    methods_ms: Mapping[str, Integers]
    #: 0: no hour of the bucket was ever computed
    version: Integers
    final: Booleans
    #: index into ``QUALITIES``, or ``BY_METHODS``
    quality: Integers
    #: index into ``codes``: method code of the one hour that the bucket is; -1: it is not one, or
    #: under no rule
    code: Integers
    codes: Sequence[str]
    #: hours in it, or that it is a part of, which their rule found invalid and did not fill
    voided_hours: Integers
    #: by row, of the past: why nobody can tell any more what was known; by source, then by hour
    unknown: Mapping[int, str]


class _Grid:
    """The rows of buckets and sources, into which what is known of some of them is put."""

    def __init__(self, source_ids: Sequence[int], buckets: int) -> None:
        ids = np.array(source_ids, dtype=np.int64)
        self._order = np.argsort(ids)
        self._ids = ids[self._order]
        self.size = ids.size * buckets
        self.bucket, self.source = np.divmod(np.arange(self.size), ids.size)

    def rows(self, source_id: Integers, bucket: Integers) -> Integers:
        """Return the row of each source and bucket."""
        return bucket * self._ids.size + self._order[np.searchsorted(self._ids, source_id)]

    def put(self, rows: Integers, values: NDArray[Any], fill: int = 0) -> NDArray[Any]:
        """Return a column with values in some rows, ``fill`` in the others."""
        column = np.full(self.size, fill, dtype=values.dtype)
        column[rows] = values
        return column


async def parts_of_hours(
    connection: AsyncConnection, source_ids: Sequence[int], buckets: Buckets, *, now: datetime
) -> EmissionColumns:
    """Read buckets that each lie within one UTC hour."""
    minutes = await minute_sums(connection, source_ids, buckets, now=now)
    hours = await _hours_around(connection, source_ids, buckets)
    begin_us, hour_of_bucket = np.unique(
        buckets.begins_us - buckets.begins_us % HOUR_US, return_inverse=True
    )
    hour_grid = _Grid(source_ids, begin_us.size)
    from_hours = _told_by(hour_grid, hours, np.searchsorted(begin_us, hours.hour_us))
    grid = _Grid(source_ids, len(buckets))
    row = hour_of_bucket[grid.bucket] * len(source_ids) + grid.source
    return _of_minutes(grid, minutes, *(column[row] for column in from_hours))


async def days_of_minutes(
    connection: AsyncConnection, source_ids: Sequence[int], buckets: Buckets, *, now: datetime
) -> EmissionColumns:
    """Read buckets of any length, summed from minutes."""
    minutes = await minute_sums(connection, source_ids, buckets, now=now)
    hours = await _hours_around(connection, source_ids, buckets)
    grid = _Grid(source_ids, len(buckets))
    from_hours = _told_by(grid, hours, np.maximum(0, buckets.index_of(hours.hour_us)))
    return _of_minutes(grid, minutes, *from_hours)


async def _hours_around(
    connection: AsyncConnection, source_ids: Sequence[int], buckets: Buckets
) -> HourColumns:
    """Read all hours that share time with buckets."""
    first_us, last = int(buckets.begins_us[0]), buckets[-1].ends
    first = from_us(first_us - first_us % HOUR_US)
    return await hour_columns(connection, source_ids, first, last, now=last)


def _told_by(grid: _Grid, hours: HourColumns, bucket: Integers) -> Sequence[Any]:
    """Return version, finality and the number of hours without a value, as hours tell them."""
    groups = Groups(grid.rows(hours.source_id, bucket))
    return [
        grid.put(groups.keys, column)
        for column in (
            groups.largest(hours.version),
            groups.all(hours.final),
            groups.sums(hours.has_no_value),
        )
    ]


def _of_minutes(
    grid: _Grid, minutes: MinuteSums, version: Integers, final: Booleans, voided: Integers
) -> EmissionColumns:
    groups = Groups(grid.rows(minutes.source_id, minutes.bucket))

    def sums(column: NDArray[Any]) -> NDArray[Any]:
        return grid.put(groups.keys, groups.sums(column))

    return EmissionColumns(
        bucket=grid.bucket,
        source=grid.source,
        known=sums(np.ones(minutes.bucket.size, dtype=np.int64)) > 0,
        masses_ug={name: sums(minutes.amounts[name]) for name in names(MASSES)},
        activity_n=sums(minutes.amounts["activity_n"]),
        has_activity=sums(minutes.has_activity) > 0,
        exported_n=sums(minutes.amounts["exported_n"]),
        covered_ms=sums(minutes.covered_ms),
        methods_ms={name: sums(column) for name, column in minutes.methods_ms.items()},
        version=version,
        final=final,
        quality=np.full(grid.size, BY_METHODS),
        code=np.full(grid.size, -1),
        codes=(),
        voided_hours=voided,
        unknown={},
    )


async def whole_hours(
    connection: AsyncConnection,
    source_ids: Sequence[int],
    buckets: Buckets,
    *,
    now: datetime,
    days: Buckets | None = None,
    then: HoursThen | None = None,
) -> EmissionColumns:
    """Read buckets of whole UTC hours.

    ``days``: the local days that all buckets are made of, if they are; then stored sums of them
    spare most hours. ``then``: as it was known at ``now`` (:mod:`..emissions.hours_as_known`), with
    what hours that were open had come to; None: as it is known now.
    """
    grid = _Grid(source_ids, len(buckets))
    read = _ReadHours(grid, buckets)
    if days is None or then is not None:
        whole = Rest(
            sources=np.arange(len(source_ids)), first=buckets[0].begins, last=buckets[-1].ends
        )
        async for hours in _hours_of(connection, source_ids, whole, now=now, then=then):
            read.add(hours)
    elif newest := await sums_and_newest_hours(connection, source_ids, buckets, days, now=now):
        stored, hours = newest
        read.parts += stored.parts
        read.add(hours)
    else:
        # what one transaction moves from an hour to another would be counted twice, or not at all,
        # if the sum of the one were of before it, and the other hour of after it
        async with opened.snapshot_async(connection):
            stored = await stored_sums(connection, source_ids, buckets, days)
            read.parts += stored.parts
            for rest in stored.rests():
                async for hours in _hours_of(connection, source_ids, rest, now=now):
                    read.add(hours.where(~stored.covers(hours.source_id, hours.hour_us)))
    return _of_sums(
        grid,
        buckets,
        read,
        now=now,
        unknown={} if then is None else _lost(grid, buckets, then),
    )


async def _hours_of(
    connection: AsyncConnection,
    source_ids: Sequence[int],
    rest: Rest,
    *,
    now: datetime,
    then: HoursThen | None = None,
) -> AsyncIterator[HourColumns]:
    """Read hours, of so many sources at a time that they fit into memory."""
    some = max(1, _MAX_HOURS // max(1, (rest.last - rest.first) // HOUR))
    for begin in range(0, rest.sources.size, some):
        ids = [source_ids[index] for index in rest.sources[begin : begin + some].tolist()]
        figures = None if then is None else then.among(ids).figures
        yield await hour_columns(connection, ids, rest.first, rest.last, now=now, then=figures)


class _ReadHours:
    """What hours come to by bucket, added up as they are read: no answer needs all at once."""

    def __init__(self, grid: _Grid, buckets: Buckets) -> None:
        self._grid = grid
        self._buckets = buckets
        self._is_hour = buckets.ends_us - buckets.begins_us <= HOUR_US
        #: then each hour is a row of its own, and there is nothing to add up
        self._are_hours = bool(self._is_hour.all())
        self._codes: dict[str, int] = {}
        self.parts: list[HourSums] = []
        #: by row, index into :attr:`codes`; -1: none
        self.code: Integers = np.full(grid.size, -1)

    @property
    def codes(self) -> Sequence[str]:
        """Method codes of buckets that are hours."""
        return tuple(self._codes)

    def add(self, hours: HourColumns) -> None:
        """Add hours, each of which comes once."""
        bucket = self._buckets.index_of(hours.hour_us)
        rows = self._grid.rows(hours.source_id, bucket)
        sums = bucket_sums.of_hours(hours, bucket)
        self.parts.append(sums if self._are_hours else sums.grouped(Groups(rows)))
        is_coded = (hours.code >= 0) & self._is_hour[bucket]
        index = np.array(
            [self._codes.setdefault(word, len(self._codes)) for word in hours.codes],
            dtype=np.int64,
        )
        self.code[rows[is_coded]] = index[hours.code[is_coded]]

    def sums(self) -> HourSums:
        """Return one sum at most for each source and bucket."""
        sums = joined(self.parts)
        if self._are_hours:
            return sums
        return sums.grouped(Groups(self._grid.rows(sums.source_id, sums.bucket)))


def _lost(grid: _Grid, buckets: Buckets, then: HoursThen) -> dict[int, str]:
    """Return the rows with an hour of which nobody can tell what was known, and why its first."""
    if not then.unknown:
        return {}
    source_id, hour = np.array(list(then.unknown), dtype=np.int64).T
    rows = grid.rows(source_id, buckets.index_of(hour * HOUR_US))
    lost: dict[int, str] = {}
    for row, why in zip(rows.tolist(), then.unknown.values(), strict=True):
        lost.setdefault(row, why)
    return lost


def _of_sums(
    grid: _Grid,
    buckets: Buckets,
    read: _ReadHours,
    *,
    now: datetime,
    unknown: Mapping[int, str],
) -> EmissionColumns:
    """Lay out what was read of each source and bucket; ``unknown``: rows without any figure."""
    sums = read.sums()
    rows = grid.rows(sums.source_id, sums.bucket)
    is_known = np.ones(grid.size, dtype=np.bool_)
    is_known[list(unknown)] = False
    hours = grid.put(rows, sums.counts["hours"])
    lengths_us = (buckets.ends_us - buckets.begins_us)[grid.bucket]
    all_hours = (lengths_us + HOUR_US // 2) // HOUR_US
    minute_us = to_us(now) // MINUTE_US * MINUTE_US
    until_us = np.minimum(buckets.ends_us, minute_us)[grid.bucket]
    is_whole = hours * HOUR_US >= until_us - buckets.begins_us[grid.bucket]
    quality = grid.put(rows, _quality(sums), fill=_MISSING)
    is_part = ((quality == _MEASURED) | (quality == _ESTIMATED)) & ~is_whole
    quality[is_part] = _PARTIAL
    return EmissionColumns(
        bucket=grid.bucket,
        source=grid.source,
        known=(grid.put(rows, sums.counts["known"]) > 0) & is_known,
        masses_ug={name: grid.put(rows, sums.amounts[name]) for name in names(MASSES)},
        activity_n=grid.put(rows, sums.amounts["activity_n"]),
        has_activity=grid.put(rows, sums.has_activity) & is_known,
        exported_n=grid.put(rows, sums.amounts["exported_n"]),
        covered_ms=grid.put(rows, sums.covered_ms) * is_known,
        methods_ms={
            name: grid.put(rows, column) * is_known for name, column in sums.methods_ms.items()
        },
        version=grid.put(rows, sums.version),
        final=(hours == all_hours)
        & (hours > 0)
        & (grid.put(rows, sums.counts["final"]) == hours)
        & is_known,
        quality=np.where(is_known, quality, _MISSING),
        code=np.where(is_known, read.code, -1),
        codes=read.codes,
        voided_hours=grid.put(rows, sums.counts["voided"]),
        unknown=unknown,
    )


def _quality(sums: HourSums) -> Integers:
    """Return the quality of the hours that there are."""
    counts = sums.counts
    mostly_estimated = sums.methods_ms["estimated_ms"] > sums.methods_ms["measured_ms"]
    return np.select(
        [
            counts["missing"] == counts["hours"],
            counts["substituted"] > 0,
            counts["missing"] + counts["partial"] > 0,
            mostly_estimated,
        ],
        [_MISSING, _SUBSTITUTED, _PARTIAL, _ESTIMATED],
        default=_MEASURED,
    )

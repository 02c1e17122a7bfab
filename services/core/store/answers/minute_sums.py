"""Minutes of sources as columns, summed by bucket and day in the database.

A bucket of minutes may be a year of ten sources; what comes over is a row of each day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, LiteralString

import numpy as np

from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.grouping import Booleans, Groups, joined
from services.core.store.database.arrays import PackedRows, binary_row
from services.core.store.emissions import minute_history
from services.core.store.emissions.minute_history import PackedMinutes
from services.core.store.schema.figures import (
    METHOD_TIMES,
    METHODS_MS,
    OF_COVERED,
    SUMMED_AMOUNTS,
    TIMES,
    names,
    per_figure,
)
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, to_us
from services.core.timeline.intervals import Interval

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_PACKED: Final = PackedRows(
    source_id="int4",
    bucket="int4",
    **dict.fromkeys((*names(SUMMED_AMOUNTS), *TIMES), "int8"),
    has_activity="bool",
)

#: A day since the epoch takes fewer.
_DAY_BITS: Final = 24

# No sum of a day leaves int8, of which an hour has a column.
_SUMS: LiteralString = f"""
SELECT {
    _PACKED.sql(
        "source_id",
        "bucket",
        *(f"coalesce({figure}, 0)::int8" for figure in SUMMED_AMOUNTS),
        *(f"{time}::int8" for time in TIMES),
        "activity_n IS NOT NULL",
    )
}
FROM (
    SELECT m.source_id, width_bucket(m.minute, %(begins)s) - 1 AS bucket,
           {per_figure(SUMMED_AMOUNTS, "sum({f.closed}) AS {f}")}, sum(m.covered_ms) AS covered_ms,
           sum(m.covered_ms + m.closing_ms{"".join(f" - m.{time}" for time in OF_COVERED)})
               AS measured_ms,
           {per_figure(METHOD_TIMES, "sum(m.{f}) AS {f}")}
    FROM public.minute_in_force m
    WHERE m.source_id = ANY(%(sources)s) AND m.minute >= %(first)s AND m.minute < %(last)s
      AND m.minute <= %(minute)s
      AND (m.covered_ms + m.closing_ms > 0 OR m.substituted_ms > 0)
    GROUP BY m.source_id, 2, minute_of(m.minute) / 1440
) x
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MinuteSums:
    """Sums of minutes of which something is known; a bucket of a source may have several."""

    source_id: Integers
    #: index into the buckets asked for
    bucket: Integers
    #: by name, all of ``SUMMED_AMOUNTS``
    amounts: Mapping[str, Integers]
    #: without it ``activity_n`` is not known
    has_activity: Booleans
    covered_ms: Integers
    #: by name, all of ``METHODS_MS``
    methods_ms: Mapping[str, Integers]


async def minute_sums(
    connection: AsyncConnection, source_ids: Sequence[int], buckets: Buckets, *, now: datetime
) -> MinuteSums:
    """Read the minutes of buckets, none after ``now``; those that are packed are added up here."""
    first, last = buckets[0].begins, buckets[-1].ends
    minute = now.replace(second=0, microsecond=0)
    async with minute_history.snapshot_since(connection, first) as may_be_packed:
        (rows,) = await binary_row(
            connection,
            _SUMS,
            {
                "sources": np.array(source_ids, dtype=np.int32),
                "begins": buckets.begins_us.astype("datetime64[us]"),
                "first": first,
                "last": last,
                "minute": minute,
            },
        )
        parts = [_received(rows)]
        if may_be_packed:
            interval = Interval(
                start=-(-to_us(first) // MINUTE_US),
                end=min(-(-to_us(last) // MINUTE_US), to_us(minute) // MINUTE_US + 1),
            )
            # one after the other: what all of them have of years may not lie in memory
            for source_id in source_ids:
                packed = await connection.run_sync(
                    minute_history.packed, [source_id], interval.start, interval.end
                )
                parts.append(_added_up(source_id, packed, buckets))
    return joined(parts)


def _received(rows: bytes | None) -> MinuteSums:
    columns = _PACKED.columns(rows)
    return MinuteSums(
        source_id=columns["source_id"].astype(np.int64),
        bucket=columns["bucket"].astype(np.int64),
        amounts={name: columns[name] for name in names(SUMMED_AMOUNTS)},
        has_activity=columns["has_activity"],
        covered_ms=columns["covered_ms"],
        methods_ms={name: columns[name] for name in METHODS_MS},
    )


def _added_up(source_id: int, packed: PackedMinutes, buckets: Buckets) -> MinuteSums:
    """Add up what is packed of a source as the statement does, by bucket and day."""
    minutes = packed.minutes
    figures = minutes.figures
    known = figures["covered_ms"] + figures["closing_ms"] > 0
    known |= figures["substituted_ms"] > 0
    minute = minutes.minute[known]
    bucket = buckets.index_of(minute * MINUTE_US)
    groups = Groups(bucket << _DAY_BITS | minute // DAY_MINUTES)
    measured_ms = figures["covered_ms"] + figures["closing_ms"]
    measured_ms = measured_ms - sum(figures[time] for time in names(OF_COVERED))
    methods_ms = {name: figures.get(name, measured_ms) for name in METHODS_MS}
    return MinuteSums(
        source_id=np.full(groups.keys.size, source_id, dtype=np.int64),
        bucket=groups.keys >> _DAY_BITS,
        amounts={
            amount.name: groups.sums(packed.closed(amount)[known]) for amount in SUMMED_AMOUNTS
        },
        has_activity=groups.any(~minutes.unknown["activity_n"][known]),
        covered_ms=groups.sums(figures["covered_ms"][known]),
        methods_ms={name: groups.sums(column[known]) for name, column in methods_ms.items()},
    )

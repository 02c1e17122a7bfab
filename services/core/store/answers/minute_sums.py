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
from services.core.store.answers.grouping import Booleans
from services.core.store.database.arrays import PackedRows, binary_row
from services.core.store.schema.figures import (
    METHOD_TIMES,
    METHODS_MS,
    OF_COVERED,
    SUMMED_AMOUNTS,
    TIMES,
    names,
    per_figure,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_PACKED: Final = PackedRows(
    source_id="int4",
    bucket="int4",
    **dict.fromkeys((*names(SUMMED_AMOUNTS), *TIMES), "int8"),
    has_activity="bool",
)

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
    FROM minute_in_force m
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
    """Read the minutes of buckets, none after ``now``."""
    (packed,) = await binary_row(
        connection,
        _SUMS,
        {
            "sources": np.array(source_ids, dtype=np.int32),
            "begins": buckets.begins_us.astype("datetime64[us]"),
            "first": buckets[0].begins,
            "last": buckets[-1].ends,
            "minute": now.replace(second=0, microsecond=0),
        },
    )
    columns = _PACKED.columns(packed)
    return MinuteSums(
        source_id=columns["source_id"].astype(np.int64),
        bucket=columns["bucket"].astype(np.int64),
        amounts={name: columns[name] for name in names(SUMMED_AMOUNTS)},
        has_activity=columns["has_activity"],
        covered_ms=columns["covered_ms"],
        methods_ms={name: columns[name] for name in METHODS_MS},
    )

"""Stored sums of whole local days and months, and which hours they leave to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, LiteralString

import numpy as np

from services.core.store.answers.bucket_sums import COUNTS, HourSums
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.grouping import Booleans
from services.core.store.database.arrays import binary_row
from services.core.store.schema.figures import METHODS_MS, SUMMED_AMOUNTS, names
from services.core.store.schema.sum_tables import PACKED_SUMS
from services.core.timeline.instants import DAY_US, from_us, to_us

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: The columns of counts that are not called as the others are.
_COUNTED: Final = {"hours": "hours", "final": "hours"}

_SUMS: LiteralString = """
SELECT string_agg(packed, '')
FROM unnest(%(sources)s::int4[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
     AS asked(its_id, first, last)
JOIN {table} ON source_id = its_id AND begins >= first AND begins < last AND ends <= last
"""

#: No month is shorter.
_MONTH_US: Final = 27 * DAY_US


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """Hours of sources that have to be read; some of them may be in sums."""

    #: indices of the sources
    sources: Integers
    first: datetime
    last: datetime


class StoredSums:
    """The sums of sources that were found, which share no hour; each lies in one bucket."""

    def __init__(self, source_ids: Sequence[int], days: Buckets) -> None:
        self._asked = np.array(source_ids, dtype=np.int64)
        self._order = np.argsort(self._asked)
        self._ids = self._asked[self._order]
        self._days = days
        #: by source and day
        self._is_summed: Booleans = np.zeros((len(source_ids), len(days)), dtype=np.bool_)
        #: of each source, where the first sum that was read begins and the last one ends
        self._since_us: Integers = np.full(len(source_ids), np.iinfo(np.int64).max)
        self._upto_us: Integers = np.zeros(len(source_ids), dtype=np.int64)
        self.parts: list[HourSums] = []

    @property
    def is_whole(self) -> bool:
        """Whether they leave nothing."""
        return bool(self._is_summed.all())

    def leave_only(self, newest: datetime, earlier: Sequence[int]) -> bool:
        """Return whether all hours that no sum has are after the last sum of their source.

        And not before ``newest``. ``earlier``: the sources with hours before their first sum, or
        before ``newest`` if they have none.
        """
        source, first_day, last_day = self._absent()
        begins_us, ends_us = self._days.begins_us[first_day], self._days.ends_us[last_day]
        is_new = ~np.isin(self._asked, earlier)[source]
        is_unsummed = self._upto_us[source] == 0
        is_before = (ends_us <= self._since_us[source]) | is_unsummed
        is_after = begins_us >= np.maximum(self._upto_us[source], to_us(newest))
        return bool((is_after | (is_before & is_new)).all())

    def covers(self, source_id: Integers, hour_us: Integers) -> Booleans:
        """Return which hours are in the sums."""
        covered: Booleans = self._is_summed[self._index(source_id), self._days.index_of(hour_us)]
        return covered

    def rests(self) -> Iterator[Rest]:
        """Return what the sums leave: the sources that lack the same days together."""
        source, first, last = self._absent()
        periods, period_of = np.unique(np.column_stack((first, last)), axis=0, return_inverse=True)
        for index, (first_day, last_day) in enumerate(periods.tolist()):
            yield Rest(
                sources=source[period_of == index],
                first=from_us(int(self._days.begins_us[first_day])),
                last=from_us(int(self._days.ends_us[last_day])),
            )

    def _absent(self) -> tuple[Integers, Integers, Integers]:
        """Return the source, first and last day of each span of days that no sum has.

        Each source for itself: of one that began late, the others would be read anew.
        """
        # sources one after the other, a day that is not absent before and after each
        width = len(self._days) + 2
        is_absent = np.zeros((self._ids.size, width), dtype=np.bool_)
        np.logical_not(self._is_summed, out=is_absent[:, 1:-1])
        is_of_one = is_absent.reshape(-1)
        before = np.flatnonzero(is_of_one[1:] != is_of_one[:-1])
        source, first = np.divmod(before[::2], width)
        return source, first, before[1::2] % width - 1

    async def add(
        self,
        connection: AsyncConnection,
        table: Literal["emission_day", "emission_month"],
        buckets: Buckets,
    ) -> None:
        """Read sums of what no other sum has, and take them."""
        source, first_day, last_day = self._absent()
        if not source.size:
            return
        (packed,) = await binary_row(
            connection,
            _SUMS.replace("{table}", table),
            {
                # sources stand in the order in which they were asked for
                "sources": self._asked[source].astype(np.int32),
                "firsts": self._days.begins_us[first_day].astype("datetime64[us]"),
                "lasts": self._days.ends_us[last_day].astype("datetime64[us]"),
            },
        )
        self.take(packed, buckets)

    def take(self, packed: bytes | None, buckets: Buckets) -> None:
        """Take those sums that lie within one bucket, have whole days and are in no other sum."""
        if not packed:
            return
        columns = PACKED_SUMS.columns(packed)
        begins_us, ends_us = columns["begins"], columns["ends"]
        source = self._index(columns["source_id"].astype(np.int64))
        np.minimum.at(self._since_us, source, begins_us)
        np.maximum.at(self._upto_us, source, ends_us)
        first, last = self._days.index_of(begins_us), self._days.index_of(ends_us - 1)
        bucket = buckets.index_of(begins_us)
        fits = (
            (self._days.begins_us[first] == begins_us)
            & (self._days.ends_us[last] == ends_us)
            & (bucket == buckets.index_of(ends_us - 1))
            & ~self._is_summed[source, first]
        )
        self._note_days(source[fits], first[fits], last[fits])
        whole = columns if fits.all() else {name: c[fits] for name, c in columns.items()}
        chosen = {name: column.astype(np.int64, copy=False) for name, column in whole.items()}
        # all hours of a stored sum are final
        counts = {name: chosen[_COUNTED.get(name, f"{name}_hours")] for name in COUNTS}
        self.parts.append(
            HourSums(
                source_id=chosen["source_id"],
                bucket=bucket[fits],
                counts=counts,
                amounts={name: chosen[name] for name in names(SUMMED_AMOUNTS)},
                has_activity=whole["has_activity"],
                covered_ms=chosen["covered_ms"],
                methods_ms={name: chosen[name] for name in METHODS_MS},
                version=chosen["version"],
            )
        )

    def _note_days(self, source: Integers, first: Integers, last: Integers) -> None:
        """Note that days of sources, both inclusive, are summed."""
        if (first == last).all():
            self._is_summed[source, first] = True
            return
        width = len(self._days) + 1
        change = np.zeros(self._ids.size * width, dtype=np.int8)
        np.add.at(change, source * width + first, np.int8(1))
        np.add.at(change, source * width + last + 1, np.int8(-1))
        is_within = np.cumsum(change.reshape(-1, width), axis=1, dtype=np.int8)[:, :-1] > 0
        self._is_summed |= is_within

    def _index(self, source_id: Integers) -> Integers:
        return self._order[np.searchsorted(self._ids, source_id)]


def are_months(buckets: Buckets) -> bool:
    """Return whether buckets may hold whole months."""
    return bool((buckets.ends_us - buckets.begins_us).max() >= _MONTH_US)


async def stored_sums(
    connection: AsyncConnection, source_ids: Sequence[int], buckets: Buckets, days: Buckets
) -> StoredSums:
    """Read the sums that buckets are made of; ``days``: the local days of all buckets."""
    sums = StoredSums(source_ids, days)
    if are_months(buckets):
        await sums.add(connection, "emission_month", buckets)
    await sums.add(connection, "emission_day", buckets)
    return sums

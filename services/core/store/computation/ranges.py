"""Ranges of minutes of many sources or channels, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.intervals import Interval

Integers = NDArray[np.int64]

#: Minutes this close are one range: a range more costs more than computing a few minutes again.
_JOIN_MINUTES = 60

#: More than any minute.
_APART = 1 << 33


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranges:
    """Row i: of ``ids[i]`` the minutes ``firsts[i]`` to ``lasts[i]``, both included."""

    ids: Integers
    firsts: Integers
    lasts: Integers

    @classmethod
    def from_intervals(cls, intervals: Mapping[int, Iterable[Interval]]) -> Ranges:
        """From intervals, none of them empty, by id."""
        rows = [(id_, i.start, i.last) for id_, of_id in intervals.items() for i in of_id]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return cls(ids=table[:, 0], firsts=table[:, 1], lasts=table[:, 2])

    def __len__(self) -> int:
        return self.ids.size

    def where(self, chosen: NDArray[Any]) -> Ranges:
        """Those chosen, by number or by whether each is."""
        return Ranges(ids=self.ids[chosen], firsts=self.firsts[chosen], lasts=self.lasts[chosen])

    def without(self, intervals: Mapping[int, Iterable[Interval]]) -> Ranges:
        """Leave out intervals of some ids; what lies around one stays as ranges of its own."""
        left: dict[int, list[Interval]] = {}
        for id_, of_id in self.by_id().items():
            for hole in intervals.get(id_, ()):
                of_id = [part for interval in of_id for part in interval.without(hole)]  # noqa: PLW2901
            if of_id:
                left[id_] = of_id
        return Ranges.from_intervals(left)

    def by_id(self) -> dict[int, list[Interval]]:
        """Return the intervals of each id."""
        intervals: dict[int, list[Interval]] = {}
        for id_, first, last in zip(
            self.ids.tolist(), self.firsts.tolist(), self.lasts.tolist(), strict=True
        ):
            intervals.setdefault(id_, []).append(Interval.through(first, last))
        return intervals

    def union(self) -> tuple[Ranges, Integers]:
        """Ascending ranges with those joined that overlap or lie close together.

        And for each of the rows before, which range it went into.
        """
        order = np.lexsort((self.firsts, self.ids))
        ids, firsts = self.ids[order], self.firsts[order]
        begins = np.ones(ids.size, dtype=np.bool_)
        begins[1:] = ids[1:] != ids[:-1]
        # the farthest minute so far, of each id by itself
        shift = np.cumsum(begins) * _APART
        reached = np.maximum.accumulate(self.lasts[order] + shift) - shift
        begins[1:] |= firsts[1:] > reached[:-1] + _JOIN_MINUTES
        first = np.flatnonzero(begins)
        target = np.empty(ids.size, dtype=np.int64)
        target[order] = np.cumsum(begins) - 1
        ends = np.append(first[1:], ids.size) - 1 if first.size else first
        return Ranges(ids=ids[first], firsts=firsts[first], lasts=reached[ends]), target

    def minutes(self) -> tuple[Integers, Integers]:
        """Every minute of every range, and the row that each is of."""
        sizes = self.lasts - self.firsts + 1
        row = np.repeat(np.arange(sizes.size), sizes)
        begins = np.cumsum(sizes) - sizes
        return np.arange(row.size) - begins[row] + self.firsts[row], row

"""The order of rows of several series, by time and then by name, and the pages they are cut to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import from_us, to_us

Name = tuple[str, ...]
Integers = NDArray[np.int64]


class RowPlace(NamedTuple):
    """Where a row is in the order."""

    time: datetime
    name: Name


class RowOrder(NamedTuple):
    """The rows of a page, in order."""

    rows: Integers
    #: the place of the last of them; None: no row follows it
    last: RowPlace | None
    #: the place of one of them, by its number
    place_of: Callable[[int], RowPlace]


def page_of_rows(
    time_us: Integers,
    series: Integers,
    names: Sequence[Name],
    *,
    after: RowPlace | None = None,
    limit: int | None = None,
) -> RowOrder:
    """Put rows in order of time and name, and cut them to ``limit`` rows after a place.

    ``time_us`` and ``series`` have a value for each row; ``series`` is an index into ``names``.
    """
    in_order = sorted(names)
    rank_of = {name: rank for rank, name in enumerate(in_order)}
    rank = np.array([rank_of[name] for name in names], dtype=np.int64)[series]
    rows = np.lexsort((rank, time_us))
    if after is not None:
        after_us, next_rank = to_us(after.time), bisect_right(in_order, after.name)
        is_after = (time_us > after_us) | ((time_us == after_us) & (rank >= next_rank))
        rows = rows[is_after[rows]]
    is_cut = limit is not None and rows.size > limit
    page = rows[:limit]

    def place_of(number: int) -> RowPlace:
        row = page[number]
        return RowPlace(from_us(int(time_us[row])), in_order[rank[row]])

    return RowOrder(page, place_of(-1) if is_cut else None, place_of)
